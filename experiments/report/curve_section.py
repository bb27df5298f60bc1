"""The section of training curves: which networks, their figures, and what each training took."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from experiments.amounts import format_seconds
from experiments.render import percent
from experiments.report import curve_figures as figures
from experiments.report.contents import Contents
from experiments.report.curve_lines import Line, lines_of
from experiments.report.curves import Curve
from experiments.report.plots import Plots, side_by_side
from experiments.report.tables import escape, paragraph, plural, section, table

__all__ = ["curves_section"]

# Of plotly's marks, around (0, 0).
SHAPES = {
    "star": '<polygon points="0,-7 1.8,-2.2 6.7,-2.2 2.8,.8 4.2,5.7 0,2.8 -4.2,5.7 -2.8,.8'
    ' -6.7,-2.2 -1.8,-2.2"/>',
    "circle": '<circle r="5"/>',
    "square": '<rect x="-5" y="-5" width="10" height="10"/>',
    "diamond": '<polygon points="0,-6.5 6.5,0 0,6.5 -6.5,0"/>',
    "triangle-up": '<polygon points="0,-6 6,5 -6,5"/>',
    "triangle-down": '<polygon points="0,6 6,-5 -6,-5"/>',
    "cross": '<polygon points="-2,-6 2,-6 2,-2 6,-2 6,2 2,2 2,6 -2,6 -2,2 -6,2 -6,-2 -2,-2"/>',
    "x": '<polygon points="-2,-6 2,-6 2,-2 6,-2 6,2 2,2 2,6 -2,6 -2,2 -6,2 -6,-2 -2,-2"'
    ' transform="rotate(45)"/>',
}
DASHES = {"solid": "none", "dash": "8 4", "dot": "2 3", "dashdot": "8 3 2 3"}


def curves_section(contents: Contents, plots: Plots) -> str:
    """Draws the final trainings epoch by epoch, and lists what each took."""
    lines = lines_of(contents)
    if not lines:
        return ""
    return section(
        "curves",
        "Training curves",
        _legend(lines),
        _marks(lines),
        side_by_side(_accuracy(lines, plots), _loss(lines, plots)),
        side_by_side(*_schedules(lines, plots)),
        _table(lines),
        _script() if len(lines) > 1 else "",
    )


def _legend(lines: Sequence[Line]) -> str:
    """Writes a checkbox a network, with the look of its lines; one network alone needs none."""
    if len(lines) < 2:
        return ""
    buttons = "".join(
        f'<button type="button" data-show="{name}">{name}</button>\n' for name in ("all", "none")
    )
    hidden = sum(not line.shown for line in lines)
    more = f" ({hidden} of {len(lines)} hidden at first)" if hidden else ""
    return (
        f'<fieldset class="networks"><legend>Networks{more}</legend>\n'
        f"{''.join(map(_box, lines))}{buttons}</fieldset>\n"
    )


def _box(line: Line) -> str:
    checked = " checked" if line.shown else ""
    role = f" <small>{escape(line.role)}</small>" if line.role else ""
    return (
        f'<label><input type="checkbox" value="{line.key}" autocomplete="off"{checked}/>'
        f"{_swatch(line)}<span>{escape(line.name)}{role}</span></label>\n"
    )


def _swatch(line: Line) -> str:
    return (
        f'<svg viewBox="-18 -8 36 16" width="36" height="16" aria-hidden="true"'
        f' stroke="{line.color}" fill="{line.color}">'
        f'<path d="M-18 0H18" stroke-width="2.5" stroke-dasharray="{DASHES[line.dash]}"/>'
        f'<g stroke="none">{SHAPES[line.symbol]}</g></svg>'
    )


def _script() -> str:
    text = files("experiments.report").joinpath("networks.js").read_text(encoding="utf-8")
    return f"<script>\n{text}</script>\n"


def _marks(lines: Sequence[Line]) -> str:
    seeds = max(len(line.curves) for line in lines)
    text = "Marks: the best epoch of each training, whose weights were kept."
    if seeds > 1:
        text = f"One line a seed, the first one's thicker. {text}"
    if figures.is_thinned(lines):
        text += " Of so many epochs only some are drawn; metrics.parquet has them all."
    return paragraph(text)


def _accuracy(lines: Sequence[Line], plots: Plots) -> str:
    caption = "After each epoch; of the averaged weights where the recipe keeps them (ema)."
    if all(curve.validations <= 1 for line in lines for curve in line.curves):
        caption = (
            "Validated after the last epoch only; a recipe whose patience is above 0 validates "
            "after each."
        )
    figure = figures.accuracy_curves(lines)
    return plots.html(figure, "Validation accuracy by epoch", caption, height=360)


def _loss(lines: Sequence[Line], plots: Plots) -> str:
    caption = "Mean over an epoch's steps, smoothed and mixed labels included."
    figure = figures.loss_curves(lines)
    return plots.html(figure, "Training loss by epoch", caption, height=360)


def _schedules(lines: Sequence[Line], plots: Plots) -> list[str]:
    rates = figures.rate_curves(lines)
    caption = "At the last step of each epoch."
    if len(lines) > 1:
        same = "The same for every network" if len(rates.data) == 1 else "Equal ones share a line"
        caption = f"{same}; at the last step of each epoch."
    drawn = [plots.html(rates, "Learning rate by epoch", caption, height=280)]
    if any(line.progressive for line in lines):
        text = (
            "Progressive learning: the images grow, and regularisation with them. Validation and "
            "test use each network's own side."
        )
        sides = figures.side_curves(lines)
        drawn.append(plots.html(sides, "Side of the training images by epoch", text, height=280))
    return drawn


def _row(curve: Curve) -> tuple[object, ...]:
    best, speed, memory = curve.best, curve.images_per_second, curve.memory
    return (
        curve.network,
        curve.seed,
        len(curve.epochs),
        "–" if best is None else best.epoch,
        percent(None if best is None else best.accuracy),
        format_seconds(curve.seconds),
        "–" if speed is None else f"{speed:,.0f}",
        "–" if memory is None else figures.memory_text(memory),
    )


def _table(lines: Sequence[Line]) -> str:
    columns = {
        "network": "left", "seed": "right", "epochs": "right", "best epoch": "right",
        "validation": "right", "wall time": "right", "images/s": "right", "memory": "right",
    }  # fmt: skip
    curves = [curve for line in lines for curve in line.curves]
    note = (
        "Validation accuracy is the best epoch's, images/s the median over epochs, memory the most "
        "of any epoch: what was allocated on a GPU, else what the whole process held."
    )
    return table(plural(len(curves), "training"), columns, map(_row, curves)) + paragraph(note)
