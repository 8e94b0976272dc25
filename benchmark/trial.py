"""``python -m benchmark.trial SPEC.json``: the trial is in benchmark/run/trial.py."""

from benchmark.interrupt import at_once

if __name__ == "__main__":
    imported = at_once("trial")

    from benchmark.run.process import main

    imported()
    raise SystemExit(main())
