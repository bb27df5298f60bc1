"""Puts a bench's table into a page of the docs, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.files import write_atomic
from search_spaces.errors import InputError

__all__ = ["FRONTS", "MARKS", "check_page", "put_section"]

BEGIN, END = "<!-- nas bench search: begin -->", "<!-- nas bench search: end -->"
MARKS = (BEGIN, END)
FRONTS = "<!-- nas bench fronts: begin -->", "<!-- nas bench fronts: end -->"


def check_page(page: Path, marks: tuple[str, str]) -> None:
    """Raises `InputError` for a page without the marks."""
    if not page.is_file():
        raise InputError(f"{page}: there is no such page to write into")
    text, (begin, end) = page.read_text(), marks
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise InputError(f"{page}: it must hold {begin} and then {end} once")


def put_section(
    page: Path,
    rows: list[dict[str, Any]],
    *,
    about: str,
    marks: tuple[str, str] = MARKS,
) -> None:
    """Replaces what stands between the marks by `about` and the rows as a table.

    Raises `InputError` for a page without the marks.
    """
    check_page(page, marks)
    text, (begin, end) = page.read_text(), marks
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    write_atomic(page, f"{before}{begin}\n{about}\n\n{_table(rows)}\n{end}{after}")


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[n]) for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
