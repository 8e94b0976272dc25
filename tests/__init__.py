"""Tests. With $BENCH_PLUGIN, as ``run_all.py contract`` sets it, what that file registers is tested
too.
"""

import os
from pathlib import Path

from benchmark import plugins

plugins.load([Path(file)] if (file := os.environ.get("BENCH_PLUGIN")) else [])
