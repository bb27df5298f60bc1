"""The options of the benches that read or fill a table: which bench takes which."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from search_spaces.errors import InputError

__all__ = ["TableOptions", "refuse_table_options"]


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Holds the options of the benches of tables as they were given; None: not given."""

    table: Path | None = None
    space: str | None = None
    resolution: int | None = None
    classes: int | None = None
    device: str | None = None
    batch: int | None = None
    training: bool | None = None
    visits: int | None = None
    time: str | None = None
    fit: Path | None = None


ALLOWED = {
    "blocks": (
        "table", "space", "resolution", "classes", "device", "batch", "training", "visits", "time",
    ),
    "latency": ("table", "space", "device"),
    "predictor": ("table", "fit"),
}  # fmt: skip


def refuse_table_options(bench: str, options: TableOptions) -> None:
    """Raises `InputError` for an option that a bench does not have."""
    for field in fields(options):
        if getattr(options, field.name) is not None and field.name not in ALLOWED.get(bench, ()):
            owners = [name for name, names in ALLOWED.items() if field.name in names]
            places = _listed([f"`nas bench {name}`" for name in owners])
            raise InputError(f"--{field.name} belongs to {places}, not to `nas bench {bench}`")
    if bench in ALLOWED and options.table is None:
        raise InputError(f"`nas bench {bench}` needs --table FILE, where the table is kept")


def _listed(names: list[str]) -> str:
    """Writes names as `a`, `a and b` or `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
