"""Puts a bench's table into a page of the docs, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.files import write_atomic
from search_spaces.errors import InputError

__all__ = ["put_section"]

BEGIN, END = "<!-- nas bench search: begin -->", "<!-- nas bench search: end -->"


def put_section(page: Path, rows: list[dict[str, Any]], *, about: str) -> None:
    """Replaces what stands between the marks by `about` and the rows as a table.

    Raises `InputError` for a page without the marks.
    """
    if not page.is_file():
        raise InputError(f"{page}: there is no such page to write into")
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(f"{page}: it must hold {BEGIN} and then {END} once")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_atomic(page, f"{before}{BEGIN}\n{about}\n\n{_table(rows)}\n{END}{after}")


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[n]) for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
