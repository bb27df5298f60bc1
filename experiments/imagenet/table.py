"""Reads Accel-NASBench's table of measured ImageNet networks as encoded architectures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from search_spaces.errors import InputError
from search_spaces.space import Value

__all__ = ["SPACE", "read_measured"]

SPACE = "accel_nasbench"
COLUMNS = {"kernel": "k", "expand": "e", "se": "se", "layers": "l"}  # ours: the table's


def _theirs(name: str, value: Value) -> Value:
    """Returns an option as the table writes it: squeeze-excite as 1, layers from 1."""
    if name == "se":
        return int(float(value) > 0)
    return int(value) + 1 if name == "layers" else value


def read_measured(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns the networks, int64 (N, choices), and their top-1 accuracies, (N,) in [0, 1].

    Raises `InputError` for a file that is not this table.
    """
    import pandas as pd  # noqa: PLC0415 (heavy, and only a fit needs it)

    from search_spaces.measured import MEASURED  # noqa: PLC0415

    if not path.is_file():
        raise InputError(f"{path}: there is no such table")
    try:
        frame = pd.read_parquet(path)
        columns = []
        for choice in MEASURED[SPACE].make().choices:
            stage, name = choice.name.split(".")
            column = f"block{int(stage.removeprefix('stage')) - 1}_{COLUMNS[name]}"
            known = {_theirs(name, option): index for index, option in enumerate(choice.options)}
            columns.append([known[value] for value in frame[column].tolist()])
        accuracy = frame["val_top1"].to_numpy(dtype=float) / 100
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not Parquet ({str(error).splitlines()[0]})") from None
    except KeyError as error:
        raise InputError(f"{path}: not Accel-NASBench's table ({error} is amiss)") from None
    return np.array(columns, dtype=np.int64).T, accuracy
