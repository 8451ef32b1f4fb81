"""Targets, tables, plots, and the page that shows them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.figures import Run, Sample, read
from benchmarks.plot import plots
from benchmarks.publish import DOCS, SHOWN, filled, write
from benchmarks.tables import number, page, tables
from benchmarks.targets import all_targets, best

FAST = "uvicorn, uvloop, httptools"


def small_run() -> Run:
    """A run of four contenders and one round."""
    cpu = {"empty": 40.0, "unix": 60.0, "asgiproxy": 200.0, "fastapi-proxy-lib": 4000.0}
    samples = [Sample("json-32", key, 0, {"cpu_us": value}) for key, value in cpu.items()]
    samples.append(Sample("fall-through", "1000", 0, {"same_us": 0.5, "new_us": 1.5}))
    contenders = {key: (key, FAST) for key in cpu}
    return Run(contenders=contenders, samples=samples, notes=["caddy is left out: it is not on the PATH"])


def verdicts(run: Run) -> dict[str, str]:
    """What the targets say, by title."""
    return {target.title: target.verdict(run)[1] for target in all_targets(run)}


def test_each_target_is_met_or_missed_or_not_measured() -> None:
    """The verdict says by how much a target was missed; the peer that a ratio is to is the best one."""
    found = verdicts(small_run())
    assert found["CPU/request, ours / empty ASGI app"] == "missed by 7%"
    assert found["CPU/request, ours / best Python peer (asgiproxy)"] == "missed by 20%"
    assert found["CPU/request, ours / httpx-based peer (fastapi-proxy-lib)"] == "met"
    assert found["fall-through at 1,000 routes, a path seen before"] == "met"
    assert found["CPU/request, express lane / nginx"] == "not measured"
    assert found["latency p50 at 1 connection, ours minus empty app"] == "not measured"


def test_a_run_without_peers_has_no_best_one() -> None:
    """The targets against peers are not measured then."""
    assert best(Run(), ("asgiproxy",)) is None
    assert set(verdicts(Run()).values()) == {"not measured"}


def test_latency_is_told_in_milliseconds() -> None:
    """The difference of two medians in microseconds becomes milliseconds."""
    samples = [Sample("json-1", key, 0, {"p50_us": at}) for key, at in (("unix", 250.0), ("empty", 100.0))]
    by_title = {each.title: each.verdict(Run(samples=samples)) for each in all_targets(Run())}
    assert by_title["latency p50 at 1 connection, ours minus empty app"] == (0.15, "met")


def test_a_table_has_those_who_took_part() -> None:
    """A row has ratios to what is there and a dash for what is not; a table of nothing is left out."""
    made = tables(small_run())
    assert "| unix | uvicorn, uvloop, httptools | 60.0 | 1.50 | – |" in made["requests"]  # noqa: RUF001
    assert "| 1,000 | 0.50 | 1.50 |" in made["routes"]
    assert "bulk" not in made
    assert page(small_run()).endswith("- caddy is left out: it is not on the PATH\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.123, "0.12"), (12.34, "12.3"), (4321.0, "4,321")],  # noqa: RUF001
)
def test_numbers_have_three_digits_that_mean_something(value: float | None, shown: str) -> None:
    """Small ones have two behind the point, large ones none."""
    assert number(value) == shown


def test_plots_are_well_formed_and_show_what_there_is() -> None:
    """Each plot is SVG with a row for each contender that has values; without values there is no plot."""
    run = small_run()
    run.contenders["unix"] = ("ours & <others>", "granian")
    drawn = plots(run)
    assert set(drawn) == {"requests", "connections"}
    words = [each.text for each in ET.fromstring(drawn["requests"]).iter() if each.text]
    assert "ours & <others> (granian)" in words
    assert "4,000" in words


def test_names_have_room_in_a_plot() -> None:
    """A long one moves the axis; none begins left of the picture."""
    run = small_run()
    name = "a contender whose name goes on for longer than any other"
    run.contenders["unix"] = (name, "granian")
    [label] = [
        each for each in ET.fromstring(plots(run)["requests"]).iter() if each.text == f"{name} (granian)"
    ]
    assert label.get("text-anchor") == "end"
    assert float(label.get("x") or 0) > 7 * len(label.text or "")


def test_a_page_shows_a_run_between_its_marks() -> None:
    """A block is made anew; one that the run says nothing about stays as it is."""
    text = "a\n<!-- bench: requests -->\nold\n<!-- end -->\nb\n<!-- bench: bulk -->\nkept\n<!-- end -->\n"
    made = filled(text, small_run())
    assert "old" not in made
    assert "| asgiproxy |" in made
    assert made.endswith("b\n<!-- bench: bulk -->\nkept\n<!-- end -->\n")
    assert filled(made, small_run()) == made


def test_a_block_that_is_empty_ends_at_its_own_mark() -> None:
    """What stands between two blocks stays, also when nothing stood in the first."""
    text = "<!-- bench: requests -->\n<!-- end -->\nbetween\n<!-- bench: routes -->\n<!-- end -->\n"
    assert "<!-- end -->\nbetween\n<!-- bench: routes -->\n| routes |" in filled(text, small_run())


def test_a_run_is_written_into_a_folder(tmp_path: Path) -> None:
    """There are raw figures, tables and plots."""
    write(small_run(), tmp_path / "new")
    names = {each.name for each in (tmp_path / "new").iterdir()}
    assert names == {"results.json", "tables.md", "requests.svg", "connections.svg"}


def test_the_page_shows_the_results_that_lie_beside_it() -> None:
    """Tables and plots of docs/performance.md are those of docs/performance/results.json, to the letter."""
    run = read(SHOWN / "results.json")
    text = DOCS.read_text(encoding="utf-8")
    assert filled(text, run) == text
    for name, drawing in plots(run).items():
        assert (SHOWN / f"{name}.svg").read_text(encoding="utf-8") == drawing
