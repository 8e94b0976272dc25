"""The generated parts of README.md and its figure, from the records in results/reference: ``make readme``.

Each stands between the comments ``<!-- NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmark import records
from benchmark.metrics import HEADLINE
from benchmark.report import format, parity, precision
from benchmark.report.curves import png
from benchmark.report.table import results

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "results" / "reference"


def parts() -> dict[str, str]:
    """The generated text by name."""
    found = records.read_all(REFERENCE)
    return {
        "results": format.markdown(results(found, REFERENCE, HEADLINE)),
        "parity": parity.tables(found, ROOT / "results" / "parity.csv"),
        "precision": precision.table(found),
    }


def rebuilt(text: str) -> str:
    """``text`` with every generated part made anew."""
    for name, part in parts().items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(
            pattern, lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", text, flags=re.DOTALL
        )
        assert count == 1, f"README.md must have <!-- {name} --> once"
    return text


if __name__ == "__main__":
    exact = [r for r in records.read_all(REFERENCE) if r.spec.precision == "fp32"]
    (ROOT / "docs" / "curves-ml1m.png").write_bytes(png(exact) or b"")
    readme = ROOT / "README.md"
    readme.write_text(rebuilt(readme.read_text()))
