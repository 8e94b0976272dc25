"""Run the benchmark: ``python run_all.py --help``."""

from benchmark.interrupt import at_once

imported = at_once("run_all.py")  # before anything else is imported

import sys  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402

# another package has this name; where it comes first, nothing here would work
found = find_spec("datasets")
if found is None or Path(__file__).resolve().parent not in Path(found.origin or "/").parents:
    sys.exit(f"datasets is {found and found.origin}, not this project's; run: python run_all.py")

if __name__ == "__main__":
    from benchmark.cli import main

    sys.exit(main(imported=imported))
