"""What a run's search found beside a random search of the same budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.goals import front_of
from experiments.store import RunFolder
from nas.front import Front

__all__ = ["random_comparison", "random_text"]


def random_comparison(folder: RunFolder) -> dict[str, Any] | None:
    """Returns the best reward of one training in either search, and how many networks each trained.

    None where there is no random search, or nothing in it.
    """
    if not (folder.trials_path.is_file() and folder.random_path.is_file()):
        return None
    front = front_of(folder.read().search)
    found, drawn = _best(folder.trials_path, front), _best(folder.random_path, front)
    if found is None or drawn is None:
        return None
    return {"search": found, "random": drawn}


def _best(path: Path, front: Front | None) -> dict[str, Any] | None:
    import pandas as pd  # noqa: PLC0415 (heavy, and only tables need it)

    rows = pd.read_parquet(path)
    if not len(rows):
        return None
    trained = rows[rows["accuracy"].notna() & rows["duplicate_of"].isna()]
    if not len(trained):
        return None
    spent = rows[rows["duplicate_of"].isna()]  # what was left on the way, or failed, took time too
    best = trained.sort_values("reward", ascending=False, kind="stable").iloc[0]
    points = zip(trained["accuracy"], trained[front.cost], strict=True) if front else ()
    volume = {"hypervolume": front.hypervolume(points, tuple)} if front else {}
    return {
        **volume,
        "reward": float(best["reward"]),
        "trial": int(best["trial"]),
        "networks": len(trained),
        "seconds": round(float(spent["seconds"].sum()), 3),
    }


def random_text(comparison: dict[str, Any]) -> str:
    """Says in a sentence how the search did against chance."""
    found, drawn = comparison["search"], comparison["random"]
    if "hypervolume" in found:
        return (
            f"found hypervolume {found['hypervolume']:.4f} in {found['networks']} trainings; "
            f"random search of the same budget {drawn['hypervolume']:.4f} in {drawn['networks']} "
            "(of single trainings, either way)"
        )
    return (
        f"found reward {found['reward']:.4f} in {found['networks']} trainings; "
        f"random search of the same budget {drawn['reward']:.4f} in {drawn['networks']} "
        "(the best of single trainings, either way)"
    )
