"""Pictures of training runs, from their logs: every figure over the steps, and how the codebooks are used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from codetalker.errors import UserError

from .log import FILE, Row, read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CODES = ("used", "dead", "perplexity", "counts")  # of `code_use`: they have a picture of their own
COLUMNS = 4
PANEL = (2.6, 1.9)  # inches
DPI = 100


def draw(stages: Iterable[Path], out: Path) -> list[Path]:
    """Writes STAGE.png for each of the folders that has a log, and STAGE_codes.png where it tells of codes."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise UserError("plots need matplotlib: pip install -r training/requirements.txt") from error
    stages = [stage for stage in stages if (stage / FILE).exists() and read_log(stage)]
    if not stages:
        raise UserError(f"nothing to draw: no stage has left a {FILE} yet")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.rc_context({"font.size": 6, "axes.grid": True, "grid.alpha": 0.3, "lines.linewidth": 1}):
        for stage in stages:
            rows = read_log(stage)
            figures = {stage.name: losses(stage.name, rows)}
            counted = [row for row in rows if any(name.startswith("counts_") for name in row)]
            if counted:
                figures[f"{stage.name}_codes"] = codes(stage.name, counted)
            for name, figure in figures.items():
                written.append(out / f"{name}.png")
                figure.savefig(written[-1], dpi=DPI)
    return written


def losses(name: str, rows: list[Row]) -> Figure:
    """A panel for each figure of the log: losses and gradient on a logarithmic scale, what is judged as points."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    names = [key for key in names if key != "step" and key.partition("_")[0] not in CODES]
    figure, panels = _panels(len(names), f"{name}, by step")
    for panel, key in zip(panels, names):
        steps, values = _curve(rows, key)
        judged = len(steps) < len(rows)
        panel.plot(steps, values, ".-" if judged else "-", color="tab:orange" if judged else "tab:blue")
        if not judged and min(values) > 0:
            panel.set_yscale("log")
        panel.set_title(key.replace("_", " "))
    return figure


def codes(name: str, rows: list[Row]) -> Figure:
    """Above: share of the entries in use and perplexity by step, a line a region. Below: how often each entry was taken
    in the end, the most frequent first."""
    last = rows[-1]
    regions = [key.removeprefix("counts_") for key in last if key.startswith("counts_")]
    figure, panels = _panels(2 + len(regions), f"{name}: codes of the held-out clips", columns=2)
    entries = len(last[f"counts_{regions[0]}"])
    titles = {"used": f"share of the {entries} entries in use, by step", "perplexity": "perplexity, by step"}
    for panel, kind, most in zip(panels, titles, (1.0, entries)):
        for region in regions:
            panel.plot(*_curve(rows, f"{kind}_{region}"), ".-", label=region)
        panel.set_title(titles[kind])
        panel.set_ylim(0, 1.05 * most)
        panel.legend()
    for panel, region in zip(panels[2:], regions):
        counts = sorted(last[f"counts_{region}"], reverse=True)
        panel.bar(range(entries), counts, width=1.0)
        panel.set_title(f"{region}: {last[f'dead_{region}']} of {entries} dead")
        panel.set_xlabel("entry, by rank")
        panel.set_ylabel("times taken")
    return figure


def _curve(rows: list[Row], key: str) -> tuple[list[int], list[float]]:
    points = [(row["step"], row[key]) for row in rows if key in row]
    return [step for step, _ in points], [value for _, value in points]


def _panels(count: int, title: str, columns: int = COLUMNS) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure((PANEL[0] * columns, PANEL[1] * rows + 0.3), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[count:]:
        panel.remove()
    return figure, list(panels[:count])
