"""What several searches of the same budget came to, read back and said in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from experiments.store import RunFolder

__all__ = ["read_seeds", "seeds_text"]


def read_seeds(folder: RunFolder) -> dict[str, Any]:
    """Returns what each of several searches came to, and their mean; {} where there was one."""
    if not folder.seeds_path.is_file():
        return {}
    document: dict[str, Any] = json.loads(folder.seeds_path.read_text())
    return document


def seeds_text(document: Mapping[str, Any]) -> str:
    """Says in a sentence what several searches came to."""
    over = document["over_seeds"]
    best = max(document["seeds"], key=lambda each: float(each["reward"]))
    return (
        f"{over['n']} searches of the same budget: reward {over['reward']:.4f} ± "
        f"{over['deviation']:.4f} (mean ± deviation over seeds), {best['reward']:.4f} the best, "
        f"of seed {best['seed']}"
    )
