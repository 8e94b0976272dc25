"""Plant each fault of mutants.toml, alone, in a copy of the project; its test must fail. ``make
mutants``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "benchmark",
    "datasets",
    "examples",
    "models",
    "results",
    "suites",
    "tests",
    "run_all.py",
    "pyproject.toml",
)


def pytest(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in ``root``; its exit code is 0 if all passed, 1 if some failed, and more if they
    could not be run.
    """
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def copy(folder: str) -> Path:
    """The parts of the project that tests need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source,
                Path(folder, name),
                ignore=shutil.ignore_patterns("__pycache__", "runs", "reference"),
            )
        else:
            shutil.copy(source, folder)
    return Path(folder)


def verdict(mutant: dict[str, str]) -> str | None:
    """Why the fault was not caught; None if its test failed, as it should."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy(folder) / mutant["file"]
        text = path.read_text()
        if (count := text.count(mutant["find"])) != 1:
            return f"its text is in {mutant['file']} {count} times, not once"
        path.write_text(text.replace(mutant["find"], mutant["replace"]))
        code = pytest(Path(folder), mutant["test"]).returncode
    return (
        None
        if code == 1
        else f"{mutant['test']} ended with pytest's code {code} where 1, a failure, is due"
    )


def main() -> int:
    """Print a line for each fault; 1 if any was not caught."""
    mutants = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["mutant"]
    with tempfile.TemporaryDirectory() as folder:
        side_by_side = ("-n", str(os.cpu_count()), "--dist", "loadfile")
        unharmed = pytest(copy(folder), *side_by_side, *sorted({m["test"] for m in mutants}))
    if unharmed.returncode:
        print(unharmed.stdout[-2000:])
        print(f"pytest's code is {unharmed.returncode} before any fault is planted")
        return 1
    missed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, why in zip(mutants, pool.map(verdict, mutants), strict=True):
            print(
                f"{'caught' if why is None else 'MISSED'}  {mutant['fault']}  "
                f"({why or mutant['test']})",
                flush=True,
            )
            missed += why is not None
    print(f"{len(mutants) - missed} of {len(mutants)} faults caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
