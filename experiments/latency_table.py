"""The file of a per-block latency table: what was measured, on what, and how it fits networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.files import write_atomic
from search_spaces.errors import InputError
from search_spaces.latency import BlockTable

__all__ = ["LatencyTable", "MadeFor", "open_table", "read_table", "typical"]


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Samples = Annotated[list[Seconds], Field(min_length=1)]


def typical(samples: Sequence[float]) -> float:
    """Returns the lower quartile of medians taken at different times: disturbances only slow."""
    return float(np.quantile(samples, 0.25))


class MadeFor(BaseModel):
    """Says what a table's times depend on; times of anything else do not mix with them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str
    resolution: int
    num_classes: int
    work: Literal["inference", "training"]
    batch: int = Field(ge=1)
    device: str
    model: str
    threads: int
    precision: str
    torch: str


class LatencyTable(BaseModel):
    """Holds seconds by piece and by whole network, a sample for each time that it was run.

    `networks` are named by fingerprint; they give `scale` and `offset` of `BlockTable`.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["compound-nas/latency-table"] = "compound-nas/latency-table"
    version: Literal[1] = 1
    made_for: MadeFor
    scale: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    offset: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    networks: dict[str, Samples] = {}
    pieces: dict[str, Samples] = {}

    def blocks(self) -> BlockTable:
        """Returns the table that predicts, from each piece's typical sample."""
        seconds = {key: typical(samples) for key, samples in self.pieces.items()}
        return BlockTable(seconds, scale=self.scale, offset=self.offset)

    def save(self, path: Path) -> None:
        """Writes the table to `path`, whole or not at all."""
        write_atomic(path, self.model_dump_json() + "\n")


def read_table(path: Path) -> LatencyTable:
    """Reads a table; raises `InputError` for a file that is none."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such table; `nas bench blocks` makes one")
    try:
        return LatencyTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][:2]))
        raise InputError(
            f"{path}: not a latency table of `nas bench blocks` ({place or 'file'}: {first['msg']})"
        ) from None


def open_table(path: Path, made_for: MadeFor) -> LatencyTable:
    """Returns the table at `path` to go on with, or a new one where there is none.

    Raises `InputError` for one that was made for something else, naming the first difference.
    """
    if not path.exists():
        return LatencyTable(made_for=made_for)
    table = read_table(path)
    for name, wanted in made_for:
        found = getattr(table.made_for, name)
        if found != wanted:
            raise InputError(
                f"{path} was made for {name} {found}, not {wanted}; choose another --table"
            )
    return table
