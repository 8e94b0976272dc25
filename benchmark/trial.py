"""``python -m benchmark.trial SPEC.json``: the trial is in benchmark/run/trial.py."""

from benchmark.run.trial import main

if __name__ == "__main__":
    raise SystemExit(main())
