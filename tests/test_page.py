"""report.html: the same values as the tables, every name a text, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files as files_of

import pytest

from benchmark.cli import main
from benchmark.parser import parser
from benchmark.paths import ROOT
from benchmark.plan.plan import specs_of
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.page import commands, library, page, trials
from benchmark.report.page.limitations import limitations
from benchmark.report.page.spec import spaced
from benchmark.report.report import Report
from benchmark.request import plan_of
from benchmark.text import visible
from tests.conftest import CONTEST

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e|{{ 7 * 7 }}"
"""A name that is HTML, a terminal's code, a turn of the direction of writing, and a template."""
REFERENCE = ROOT / "results" / "reference"


class Parsed(HTMLParser):
    """What is in a page: its elements with their attributes, its texts, and its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.cells: list[str] = []
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "script":
            self.scripts.append("")
        self.within = tag if tag in ("td", "th", "script") else self.within

    def handle_endtag(self, tag):
        self.within = "" if tag == self.within else self.within

    def handle_data(self, data):
        if self.within in ("td", "th"):
            self.cells[-1] += data
        elif self.within == "script":
            self.scripts[-1] += data

    @property
    def content(self) -> dict:
        """The data of plots and trials."""
        return json.loads(self.scripts[0])


@pytest.fixture(scope="module")
def found(finished) -> list[Record]:
    return store.read_all(finished)


@pytest.fixture(scope="module")
def made(found, finished) -> str:
    return page.made(Report(found, finished)).decode()


@pytest.fixture(scope="module")
def hostile(found, finished) -> str:
    """The page of a run in which a model and a data set have hostile names, and a trial failed."""

    def renamed(record: Record) -> Record:
        spec = record.spec.model_copy(update={"dataset": HOSTILE})
        if spec.model == "ease":
            spec = spec.model_copy(update={"model": HOSTILE, "config": {HOSTILE: HOSTILE}})
        return record.model_copy(update={"spec": spec})

    failed = found[-1].model_copy(
        update={"status": "failed", "reason": HOSTILE, "metrics": None, "per_user": None}
    )
    return page.made(Report([*map(renamed, found[:-1]), renamed(failed)], finished)).decode()


def test_a_page_names_nothing_outside_itself_and_runs_its_own_scripts_only(made):
    parsed = Parsed(made)
    for tag, attributes in parsed.elements:
        assert not {"src", "action", "srcset"} & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#")
    (policy,) = [a["content"] for _, a in parsed.elements if "http-equiv" in a]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    digests = [sha256(script.encode()).digest() for script in parsed.scripts[1:]]
    hashes = [f"'sha256-{b64encode(digest).decode()}'" for digest in digests]
    assert re.search("script-src (.*?);", policy)[1].split() == hashes


def test_links_in_a_page_lead_somewhere_and_ids_are_unique(made):
    parsed = Parsed(made)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    trials_there = {f"trial-{trial}" for trial in parsed.content["trials"]}
    links = [a["href"].removeprefix("#") for tag, a in parsed.elements if tag == "a"]
    assert set(links) <= trials_there | set(ids)
    assert trials_there <= set(links)


def test_every_cell_of_the_results_is_on_the_page(made, found, finished):
    cells = Parsed(made).cells
    (table,) = Report(found, finished).results
    for row in table.cells:
        model, device, precision, seeds, *scores = map(str, row)
        texts = [model, *scores, device, precision, seeds]
        place = next(n for n in range(len(cells)) if cells[n : n + len(texts)] == texts)
        assert place
    text = made.replace("&#39;", "'").replace("&lt;", "<")
    assert all(note in text for note in (*table.notes, table.definitions))


def test_differences_are_those_of_the_table_with_their_p(made, found, finished):
    cells = Parsed(made).cells
    (table,) = Report(found, finished).differences
    first = table.data[0]["metric"]
    fives = [cells[n : n + 5] for n in range(len(cells))]
    tested = [pair for pair in table.data if pair["metric"] == first and pair["p"] is not None]
    assert tested
    for pair in tested:
        interval = f"{pair['low']:+.4f} to {pair['high']:+.4f}"
        numbers = [f"{pair['difference']:+.4f}", interval, f"{pair['p']:.2g}"]
        assert [pair["model"], pair["other"], *numbers] in fives


def test_the_same_records_give_the_same_page(made, found, finished):
    assert page.made(Report(found[::-1], finished)).decode() == made


def test_a_run_writes_its_page_and_report_writes_the_same_once(finished, tmp_path, capsys):
    of_run = (finished / "report" / "report.html").read_bytes()
    words = ["report", "--html", "--out", str(finished), "--to", str(tmp_path)]
    assert main(words) == 0
    assert (tmp_path / "report.html").read_bytes() == of_run
    capsys.readouterr()
    assert main([*words, "--verbose"]) == 0
    assert "report.html" not in capsys.readouterr().out


def test_hostile_names_are_texts(hostile):
    parsed = Parsed(hostile)
    assert [tag for tag, _ in parsed.elements].count("script") == 3
    assert not [tag for tag, _ in parsed.elements if tag == "img"]
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert visible(HOSTILE) in parsed.cells
    assert "<" not in parsed.scripts[0]


def test_each_command_of_a_trial_plans_that_trial(found):
    for record in found:
        command = commands.of_trial(record)
        if record.spec.device is None:
            assert command is None
            continue
        words = shlex.split(command)
        assert words[:2] == ["python", "run_all.py"]
        arguments = parser().read(words[2:])
        plan, _ = plan_of(arguments, arguments.seeds or [0])
        (lineup,), split = plan.lineups, record.spec.split_hash
        (model,) = lineup.models
        ids = [spec.id for spec in specs_of(model, plan, lineup.dataset, split)]
        assert (ids, lineup.data_label) == ([record.id], record.data_label)


def test_the_commands_of_a_part_name_the_records_if_the_folder_holds_others(found, finished):
    every = commands.of_report(Report(found, finished)).report("--html")
    assert shlex.split(every) == [
        "python",
        "run_all.py",
        "report",
        "--html",
        "--out",
        str(finished),
    ]
    some = [record for record in found if record.spec.model == "ease"]
    words = shlex.split(commands.of_report(Report(some, finished)).report())
    assert words[3:7] == ["--datasets", some[0].data_label, "--models", "ease"]


@pytest.mark.parametrize("folder", ["finished", "sweep_folder", "contest_folder"])
def test_the_filter_knows_every_row_of_every_plot(folder, request):
    out = request.getfixturevalue(folder)
    alone = [r.model_copy(update={"beside_others": False}) for r in store.read_all(out)]
    content = Parsed(page.made(Report(alone, out)).decode()).content
    known = {name for row in content["rows"] for name in row["names"]}
    for plot in content["plots"]:
        for value in plot["data"]["values"]:
            names = [value["row"]] if "row" in value else [value["model"], *value["other"]]
            searched_only = {"als"} if folder == "contest_folder" else set()
            assert set(names) <= known | searched_only, plot["description"]


def test_what_draws_the_plots_is_put_together_once_even_if_it_cannot_be_kept(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda snippet: made.append(1) or "draw")
    monkeypatch.setattr(library, "ROOT", tmp_path)
    assert [library.javascript(), library.javascript()] == ["draw", "draw"]
    assert len(made) == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(library, "ROOT", tmp_path / "file")
    assert library.javascript() == "draw"


def test_a_trial_has_its_configuration_curve_environment_and_provenance(made, found):
    content = Parsed(made).content
    record = next(record for record in found if record.spec.model == "mult-vae")
    shown = content["trials"][record.id]
    facts = dict(content["facts"][place] for place in shown["facts"])
    assert facts["Configuration"]["latent"].startswith(str(record.spec.config["latent"]))
    assert facts["Environment"]["cpu"] == record.environment.cpu
    assert facts["Provenance"]["split_hash"] == record.spec.split_hash
    (line,) = [line for line in shown["curve"] if line["quantity"] == "validation"]
    scores = [point["validation"] for point in record.curve]
    assert line["epoch"] == [1, 2, 3]
    assert line["value"] == pytest.approx(scores, rel=1e-4)


def test_long_curves_are_thinned_evenly_with_both_ends():
    assert spaced(5, 5) == [1, 2, 3, 4, 5]
    assert spaced(9, 5) == [1, 3, 5, 7, 9]
    assert (trials.limit_of(3), trials.limit_of(600), trials.limit_of(10**6)) == (200, 100, 20)


def test_limitations_are_facts_of_the_records(found, finished):
    def said(records: list[Record]) -> str:
        return "\n".join(limitations(Report(records, finished)))

    every = said(found)
    assert "One split only: synthetic" in every
    assert "hold no search" in every
    assert "Failed" not in every
    assert "this page is on" not in every
    seeds = [record for record in found if record.spec.seed in (None, 0)]
    assert re.search("One seed only.*mult-vae", said(seeds))
    assert f"this page is on {len(seeds)} of them" in said(seeds)
    alone = [r.model_copy(update={"beside_others": n == 0}) for n, r in enumerate(found)]
    assert f"1 of {len(found)} trials ran beside other work" in said(alone)
    failed = found[0].model_copy(update={"status": "oom", "reason": "no room", "metrics": None})
    assert "Failed: 1 trial" in said([failed, *found[1:]])


def test_a_searched_model_has_its_tuned_score_beside_the_usual_one(contest_folder):
    records = store.read_all(contest_folder)
    report = Report(records, contest_folder)
    parsed = Parsed(page.made(report).decode())
    assert "tuned" in [a.get("data-shows") for _, a in parsed.elements]
    ids = {record.id for record in records if record.spec.stage == "test"}
    assert set(parsed.content["trials"]) == ids
    links = [a for tag, a in parsed.elements if tag == "a" and "aria-label" in a]
    assert {a["href"] for a in links} == {f"#trial-{trial}" for trial in ids}
    (table,) = [table for table in report.results if "split_seed" not in table.title]
    usual, tuned = (cells for cells in table.cells if cells[0].partition("[")[0] == "ease")
    place = parsed.cells.index("ease")
    beside = [str(cells[n]) for n in (4, 5, 6) for cells in (usual, tuned)]
    assert parsed.cells[place + 1 : place + 7] == beside
    assert len([a for a in links if a["aria-label"].startswith("ease, tuned")]) == 1
    descriptions = [plot["description"] for plot in parsed.content["plots"]]
    assert sum("to be expected of a search" in text for text in descriptions) == 2
    models = {row["model"] for row in parsed.content["rows"]}
    assert models == {*CONTEST["searched"], "popularity"}


@pytest.mark.slow
def test_the_page_of_the_reference_records_is_small():
    if not REFERENCE.is_dir():
        pytest.skip("results/reference is not here")
    assert len(page.made(Report(store.read_all(REFERENCE), REFERENCE))) < 6e6


ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A headless Chromium; the test is skipped where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if not (path := next(filter(None, map(shutil.which, names)), None)):
        pytest.skip("there is no chromium; apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements-dev.txt")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path) -> Iterator:
    """What opens a page by its HTML; no error and no request may come of it."""
    faults: list[str] = []
    contexts = []

    def open_page(html: str, **options):
        path = tmp_path / "report.html"
        path.write_text(html)
        contexts.append(context := browser.new_context(**options))
        shown = context.new_page()
        shown.set_default_timeout(120_000)
        shown.on("console", lambda said: said.type == "error" and faults.append(said.text))
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.on("dialog", lambda dialog: faults.append(dialog.message))
        shown.on("request", lambda asked: asked.url != path.as_uri() and faults.append(asked.url))
        shown.goto(path.as_uri())
        shown.wait_for_selector("body[data-drawn]")
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not fault.startswith(tmp_path.as_uri())] == []


def column(shown, number: int) -> list[str]:
    """The texts of a column of the headline table, from 1."""
    return shown.locator(f".headline tbody tr:visible > :nth-child({number})").all_inner_texts()


def test_a_browser_sorts_filters_toggles_and_opens_trials(made, opened):
    shown = opened(made)
    plots = shown.locator("[data-plot] svg")
    assert plots.count() == len(Parsed(made).content["plots"])
    sort = shown.locator(".headline").get_by_role("button", name="Recall@20")
    sort.click()
    rising = [float(text.split()[0]) for text in column(shown, 2)]
    assert rising == sorted(rising)
    sort.focus()
    shown.keyboard.press("Enter")
    assert [float(text.split()[0]) for text in column(shown, 2)] == rising[::-1]
    assert shown.locator("th[aria-sort=descending]").count() == 1
    shown.get_by_label("spread over seeds").uncheck()
    assert not any("±" in text for text in column(shown, 2))
    shown.get_by_label("standard error").uncheck()
    assert not any("(" in text for text in column(shown, 2))
    lines = shown.locator("#curves [aria-roledescription='line mark']")
    assert lines.count() > 2
    shown.locator("[name=likelihood]").select_option("mult")
    assert {text.partition("[")[0] for text in column(shown, 1)} == {"mult-vae", "mult-dae"}
    shown.locator("[name=model]").select_option("mult-vae")
    assert len(column(shown, 1)) == 1
    lines.nth(1).wait_for(state="detached")
    assert lines.count() == 1
    link = shown.locator(".headline td.trials a:visible").first
    link.focus()
    shown.keyboard.press("Enter")
    dialog = shown.get_by_role("dialog")
    assert "synthetic" in dialog.get_by_role("heading", level=2).inner_text()
    dialog.locator("svg").wait_for()
    assert "run_all.py" in dialog.inner_text()
    shown.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_plot_shows_the_difference_from_the_row_that_is_chosen(made, found, finished, opened):
    (table,) = Report(found, finished).differences
    first, second = table.head[1:3]
    (pair,) = [p for p in table.data if (p["model"], p["other"]) == (first, second)][:1]
    shown = opened(made)
    dot = shown.locator(f"#differences [aria-roledescription=circle][aria-label*='row: {second};']")
    assert said(dot) == pytest.approx(-pair["difference"], rel=1e-3)
    shown.locator("[name=against]").select_option(second)
    dot = shown.locator(f"#differences [aria-roledescription=circle][aria-label*='row: {first};']")
    assert said(dot) == pytest.approx(pair["difference"], rel=1e-3)


def said(dot) -> float:
    """The difference that a dot of the plot is described by; it has a minus of its own."""
    dot.wait_for()
    return float(dot.get_attribute("aria-label").split()[1].rstrip(";").replace("−", "-"))


def test_hostile_names_do_nothing_in_a_browser(hostile, opened):
    shown = opened(hostile)
    assert shown.locator("img").count() == 0
    shown.locator(".headline td.trials a").first.click()
    assert shown.get_by_role("dialog").is_visible()
    assert "alert(1)" in shown.get_by_role("dialog").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_serious_fault_of_accessibility(scheme, made, opened):
    axe = files_of(pytest.importorskip("axe_playwright_python")) / "axe.min.js"
    shown = opened(made, color_scheme=scheme)
    shown.evaluate(axe.read_text())
    for what in ("page", "trial"):
        found = shown.evaluate("axe.run()")["violations"]
        serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
        assert not serious, f"{what}: {json.dumps(serious)[:2000]}"
        if what == "page":
            shown.locator(".headline td.trials a").first.click()
            shown.get_by_role("dialog").locator("svg").wait_for()


@pytest.mark.slow
def test_a_phone_shows_the_page_without_a_sideways_scroll(made, opened):
    shown = opened(made, viewport={"width": 390, "height": 844})
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    for plot in shown.locator("[data-plot] svg").all():
        assert plot.bounding_box()["width"] <= 390
