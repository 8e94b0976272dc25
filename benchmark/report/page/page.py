"""Makes report.html: one file that holds its data, its style and what draws it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.records.searched import STAGE, searched
from benchmark.report.cells import Cell, Mean, Number, UserMean
from benchmark.report.contest import contests
from benchmark.report.page import commands, library, score_parts, training_parts, trials
from benchmark.report.page.commands import TABLES, Commands
from benchmark.report.page.headline import KINDS, Headline, headline, likelihood_of, of_rows
from benchmark.report.page.limitations import limitations
from benchmark.report.page.part import Part
from benchmark.report.render import paragraphs
from benchmark.report.report import Report
from benchmark.report.table import ABOUT
from benchmark.text import counted, visible

HERE = Path(__file__).parent
NAME = "report"
"""The name of the page's file, without its end."""


def made(report: Report) -> bytes:
    """Return the page of a report; the same records give the same bytes.

    Raises DataError if a per-user file is not its record's.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, finalize=_safe)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {"pieces": pieces, "counted": counted}
    scripts = [Markup(library.javascript()), Markup((HERE / "page.js").read_text())]
    style = Markup((HERE / "page.css").read_text())
    page = environment.get_template("page.html").render(
        _content(report), style=style, scripts=scripts, hashes=list(map(_hash, scripts))
    )
    return f"{page}\n".encode()


def _safe(value: Any) -> Any:
    """Return a value with nothing in it that turns the direction of writing, or is invisible."""
    return visible(value, keep="\n") if type(value) is str else value


def _hash(script: str) -> str:
    """Return what the page's policy calls a script that it may run."""
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _content(report: Report) -> dict[str, Any]:
    """Return what the template shows."""
    again = commands.of_report(report)
    heads = _headlines(report)
    parts = _parts(report, again)
    finals = sorted(
        (record for record in report.records if record.spec.stage != STAGE),
        key=lambda record: (record.data_label, record.label, record.spec.seed or 0, record.id),
    )
    folder = commands.shown(report.folder)
    details = trials.details(finals, folder)
    plots = [figure.plot for part in parts for figure in part.shown]
    data = {"plots": plots, "rows": of_rows(heads), "trial": trials.plot_of_trial(), **details}
    return {
        "heads": heads,
        "parts": parts,
        "finals": finals,
        "searched": len(report.records) - len(finals),
        "folder": folder,
        "data": _visible(data),
        "limitations": limitations(report),
        "page": again.report("--html"),
        "results": again.report(*TABLES),
        "published": again.report("--table", "2", "3"),
        "datasets": sorted({head.dataset for head in heads}),
        "models": list(dict.fromkeys(row.model for head in heads for row in head.rows)),
        "likelihoods": sorted(filter(None, {r.likelihood for h in heads for r in h.rows})),
        "likelihood_of": likelihood_of,
        "kinds": KINDS,
        "about": ABOUT,
        "paragraphs": paragraphs,
    }


def _headlines(report: Report) -> list[Headline]:
    searches = searched(report.records)
    found = []
    for split, table in zip(report.scored, report.results, strict=True):
        label = split.group[0].data_label
        here = {model: search for (at, model), search in searches.items() if at == label}
        found.append(headline(split, table, here))
    return found


def _parts(report: Report, again: Commands) -> list[Part]:
    """Return the parts that the records of a report have anything for."""
    held = contests(report.records, report.folder)
    every = score_parts.parts(report, again, held) + training_parts.parts(report, again, held)
    return [part for part in every if part.shown or part.tables]


def _visible(value: Any) -> Any:
    """Return JSON in which every text is made visible."""
    if isinstance(value, dict):
        return {visible(key): _visible(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(each) for each in value]
    return visible(value, keep="\n") if isinstance(value, str) else value


def pieces(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield the texts of a cell, each with its class in the page."""
    if isinstance(cell, Number):
        yield "best" if cell.bold else "main", cell.main
        if isinstance(cell, Mean):
            yield "spread", cell.spread
        if isinstance(cell, UserMean):
            yield "error", cell.error
    else:
        yield "main", str(cell)
