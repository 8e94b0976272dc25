"""A newcomer's model: two files touched, and as many contract tests run on it as on the one it was
copied from.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import copy


@pytest.mark.slow
def test_a_copied_model_is_tested_by_importing_it(tmp_path):
    root = copy(str(tmp_path))
    text = (root / "models" / "popularity.py").read_text()
    (root / "models" / "mine.py").write_text(text.replace('    "popularity",', '    "mine",'))
    init = root / "models" / "__init__.py"
    init.write_text(init.read_text().replace("models import ", "models import mine, "))
    assert passed(root, "popularity") == passed(root, "mine") > 10


def passed(root: Path, model: str) -> int:
    """Run the contract tests of ``model``, which must pass, and return how many there are."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_contract.py",
        "-k",
        f"[{model}]",
    ]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    return int(re.findall(r"(\d+) passed", run.stdout)[0])
