"""Run the benchmark: ``python run_all.py --help``."""

import sys
from importlib.util import find_spec
from pathlib import Path

# another package has this name; where it comes first, nothing here would work
found = find_spec("datasets")
if found is None or Path(__file__).resolve().parent not in Path(found.origin or "/").parents:
    sys.exit(f"datasets is {found and found.origin}, not this project's; run: python run_all.py")

from benchmark.interrupt import at_once  # noqa: E402  (after the guard)

if __name__ == "__main__":
    imported = at_once("run_all.py")

    from benchmark.cli import main

    sys.exit(main(imported=imported))
