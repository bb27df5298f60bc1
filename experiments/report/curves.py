"""Trainings epoch by epoch, as a run's table of epochs or older checkpoints hold them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.metrics import COLUMNS
from experiments.training.state import EpochRecord
from search_spaces.errors import InputError

__all__ = ["Curve", "curve_of_history", "curves_of_rows", "network_of"]

_SEED = re.compile(r"\.seed\d+$")
_WHOLE = ("epoch", "memory", "resolution", "batch_size")


def network_of(stem: str) -> str:
    """Returns the network's name in a checkpoint's: `tiny` for `tiny.seed1`."""
    return _SEED.sub("", stem)


@dataclass(frozen=True, slots=True)
class Curve:
    """Holds a training epoch by epoch; `stem` is its checkpoint's name, one for each seed."""

    stem: str
    seed: int
    epochs: tuple[EpochRecord, ...]

    @property
    def network(self) -> str:
        """Returns the name of the network, the same for all of its seeds."""
        return network_of(self.stem)

    @property
    def best(self) -> EpochRecord | None:
        """Returns the first epoch with the highest validation accuracy, whose weights are kept."""
        known = [record for record in self.epochs if record.accuracy is not None]
        return max(known, key=lambda record: record.accuracy or 0.0, default=None)

    @property
    def validations(self) -> int:
        """Counts the epochs after which it was validated."""
        return sum(record.accuracy is not None for record in self.epochs)

    @property
    def seconds(self) -> float:
        """Adds the epochs' wall seconds up."""
        return sum(record.seconds for record in self.epochs)

    @property
    def images_per_second(self) -> float | None:
        """Returns the median over epochs; None where it was not measured."""
        known = [record.images_per_second for record in self.epochs if record.images_per_second]
        return statistics.median(known) if known else None

    @property
    def memory(self) -> int | None:
        """Returns the bytes of the epoch that took most; None where they were not measured."""
        return max((record.memory for record in self.epochs), default=0) or None


def curves_of_rows(rows: Iterable[Mapping[str, Any]], where: Path) -> tuple[Curve, ...]:
    """Gathers the rows of metrics.parquet by training.

    Raises `InputError` naming `where` for rows that are not epochs.
    """
    found: dict[tuple[str, int], list[EpochRecord]] = {}
    try:
        for row in rows:
            found.setdefault((row["network"], int(row["seed"])), []).append(_record(row))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where}: not a table of epochs; it needs {', '.join(COLUMNS)}") from None
    return tuple(_curve(stem, seed, epochs) for (stem, seed), epochs in found.items())


def curve_of_history(stem: str, seed: int, history: Iterable[Sequence[Any]]) -> Curve:
    """Reads the epochs that a checkpoint keeps; older ones have fewer values in each."""
    return _curve(stem, seed, (EpochRecord(*row) for row in history))


def _curve(stem: str, seed: int, epochs: Iterable[EpochRecord]) -> Curve:
    return Curve(stem, seed, tuple(sorted(epochs, key=lambda record: record.epoch)))


def _record(row: Mapping[str, Any]) -> EpochRecord:
    """Reads a row; what an older training did not measure is missing, and gets its default."""
    known = {name: row[name] for name in COLUMNS if row.get(name) is not None}
    whole = {name: int(known[name]) for name in _WHOLE if name in known}
    return EpochRecord(**{"accuracy": None, **known, **whole})
