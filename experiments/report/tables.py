"""HTML from values: everything that goes in is text, and is escaped here."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = [
    "MACS_NOTE",
    "accuracy_text",
    "escape",
    "lines",
    "paragraph",
    "plural",
    "section",
    "table",
]

MACS_NOTE = "MACs are multiply-adds of one image, counted once; papers call them FLOPs."


def escape(value: object) -> str:
    """Writes a value as text that is safe in HTML, attributes included."""
    return html.escape(str(value))


def paragraph(text: str, *, kind: str = "") -> str:
    """Writes a paragraph, of a class where one is given."""
    attribute = f' class="{escape(kind)}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>\n"


def lines(values: Iterable[object]) -> str:
    """Writes lines of code as one block."""
    return f'<pre tabindex="0"><code>{escape(chr(10).join(map(str, values)))}</code></pre>\n'


def section(name: str, title: str, *parts: str) -> str:
    """Writes a section with its heading; `parts` are HTML. Without any it is left out."""
    body = "".join(parts)
    if not body:
        return ""
    heading = f'<h2 id="{escape(name)}-title">{escape(title)}</h2>\n'
    return (
        f'<section id="{escape(name)}" aria-labelledby="{escape(name)}-title">\n'
        f"{heading}{body}</section>\n"
    )


def _row(cells: Sequence[object], sides: Sequence[str], marked: bool) -> str:
    first, *rest = cells
    inner = f'<th scope="row" class="{sides[0]}">{escape(first)}</th>'
    pairs = zip(rest, sides[1:], strict=True)
    inner += "".join(f'<td class="{side}">{escape(cell)}</td>' for cell, side in pairs)
    start = '<tr class="marked">' if marked else "<tr>"
    return f"{start}{inner}</tr>\n"


def table(
    caption: str,
    columns: Mapping[str, str],
    rows: Iterable[Sequence[object]],
    *,
    marked: Collection[int] = (),
) -> str:
    """Writes a table; `columns` gives each heading its side, `marked` the rows that stand out."""
    sides = list(columns.values())
    heads = "".join(
        f'<th scope="col" class="{side}">{escape(name)}</th>' for name, side in columns.items()
    )
    body = "".join(_row(row, sides, number in marked) for number, row in enumerate(rows))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">\n'
        f"<table><caption>{escape(caption)}</caption>\n"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def accuracy_text(mean: float, deviation: float | None) -> str:
    """Writes an accuracy in [0, 1] as `98.70% ± 0.16`; without a deviation, as `98.70%`."""
    return f"{mean:.2%}" + ("" if deviation is None else f" ± {deviation * 100:.2f}")


def plural(count: int, noun: str) -> str:
    """Writes `1 seed` and `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
