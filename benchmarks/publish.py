"""Writing a run down: raw figures, tables and plots into a folder, and the tables into a page of the docs."""

import re
from pathlib import Path
from typing import Final

from benchmarks.figures import Run
from benchmarks.plot import plots
from benchmarks.processes import ROOT
from benchmarks.tables import page, tables

DOCS: Final = ROOT / "docs" / "performance.md"
SHOWN: Final = ROOT / "docs" / "performance"
_BLOCK: Final = re.compile(r"(<!-- bench: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def write(run: Run, folder: Path) -> None:
    """Write results.json, tables.md and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    run.write(folder / "results.json")
    (folder / "tables.md").write_text(page(run), encoding="utf-8")
    write_plots(run, folder)


def write_plots(run: Run, folder: Path) -> None:
    """Write the plots, one SVG each."""
    for name, drawing in plots(run).items():
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")


def filled(text: str, run: Run) -> str:
    """Return a page with what stands between `<!-- bench: NAME -->` and `<!-- end -->` made anew from a run.

    A table that the run has not measured stays as it is.
    """
    made = tables(run)
    return _BLOCK.sub(lambda found: f"{found[1]}{_lines(made.get(found[2], found[3]))}{found[4]}", text)


def _lines(text: str) -> str:
    return f"{text.rstrip()}\n" if text.strip() else ""


def publish(run: Run) -> None:
    """Put a run into docs/performance.md, and its figures and plots beside it."""
    SHOWN.mkdir(exist_ok=True)
    run.write(SHOWN / "results.json")
    write_plots(run, SHOWN)
    DOCS.write_text(filled(DOCS.read_text(encoding="utf-8"), run), encoding="utf-8")
