"""Run the benchmark: ``python run_all.py --help``."""

import sys

if sys.version_info < (3, 11):
    sys.exit("run_all.py needs Python 3.11 or newer")

import datasets

if not hasattr(datasets, "__path__") or __import__("os").path.dirname(__file__) not in datasets.__path__[0]:
    sys.exit(f"another package named datasets was imported ({datasets.__file__}); run python run_all.py from its folder")

from benchmark.cli import main

if __name__ == "__main__":
    sys.exit(main())
