"""The networks of measured spaces with the accuracies that their authors published, from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.imagenet.table import read_measured
from search_spaces.errors import InputError
from search_spaces.measured import MACRO_OPS, MEASURED
from search_spaces.space import SearchSpace

__all__ = ["TABLES", "MeasuredTable", "read_table"]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredTable:
    """Holds networks, encoded int64 (N, choices), and their accuracies, (N,) in [0, 1]."""

    space: SearchSpace
    encoded: np.ndarray
    accuracy: np.ndarray

    def sample(self, count: int, *, seed: int = 0) -> MeasuredTable:
        """Draws that many networks, no two of them the same, or all that there are."""
        order = np.random.default_rng(seed).permutation(len(self.encoded))
        canonical = self.space.canonical(self.encoded[order])
        _, first = np.unique(canonical, axis=0, return_index=True)
        rows = order[np.sort(first)[:count]]
        return MeasuredTable(self.space, self.encoded[rows], self.accuracy[rows])


def _macro(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads NAS-Bench-Macro's table: a digit a layer, and the mean of three accuracies."""
    import pandas as pd  # noqa: PLC0415 (heavy, and only a bench needs it)

    if not path.is_file():
        raise InputError(f"{path}: there is no such table")
    try:
        frame = pd.read_parquet(path)
        digits = np.array([[int(digit) for digit in name] for name in frame["arch"]])
        accuracy = frame["mean_acc"].to_numpy(dtype=float) / 100
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not Parquet ({str(error).splitlines()[0]})") from None
    except KeyError as error:
        raise InputError(f"{path}: not NAS-Bench-Macro's table (it has no {error})") from None
    assert len(MACRO_OPS) == 3, "a digit is the index of an operation"
    return digits.astype(np.int64), accuracy


TABLES: Mapping[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {
    "accel_nasbench": read_measured,
    "nas_bench_macro": _macro,
}


def read_table(name: str, path: Path) -> MeasuredTable:
    """Reads a measured space's file, or the one of its name in a folder.

    Raises `InputError` for a table that is not known or a file that is not it.
    """
    if name not in TABLES:
        raise InputError(f"no measured table is called {name!r}; they are {', '.join(TABLES)}")
    encoded, accuracy = TABLES[name](path / f"{name}.parquet" if path.is_dir() else path)
    return MeasuredTable(MEASURED[name].make(), encoded, accuracy)
