"""Whether a search's proxy orders networks as the full recipe does: numbers, and a sentence."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from experiments.ranks import Pairs, agreement, difference

__all__ = ["PROXY", "SEEDS", "trust_rows", "trust_seconds", "trust_table", "verdict", "whole"]

PROXY, SEEDS = "the proxy", "the full recipe, another seed"
FREE = ("MACs alone", "params alone")

Row = Mapping[str, Any]


def whole(networks: Sequence[Row]) -> list[Row]:
    """Returns the networks of which every training went well."""
    return [row for row in networks if row["error"] is None]


def trust_rows(networks: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns how well each predictor orders networks as one training by the full recipe does.

    Kendall's τ-b, the mean over the full recipe's seeds, with a 95% bootstrap interval over
    networks. The seeds' own row is the mean over pairs of them: what no predictor can be expected
    to exceed by much. `ahead` says how much more the proxy agrees than what costs no training.
    Networks with a training that failed are left out.
    """
    rows = whole(networks)
    if len(rows) < 2:
        return []
    full = [np.array(series) for series in zip(*(row["full"] for row in rows), strict=True)]
    series: dict[str, Any] = {
        PROXY: [row["proxy"] for row in rows],
        FREE[0]: [row["macs"] for row in rows],
        FREE[1]: [row["params"] for row in rows],
        **{f"{name} alone": [_number(row["scores"][name]) for row in rows]
           for name in rows[0].get("scores", {}) if name not in ("macs", "params")},
    }  # fmt: skip
    pairs = {name: [(np.array(values, dtype=float), one) for one in full]
             for name, values in series.items()}  # fmt: skip
    found = [_agreed(PROXY, pairs[PROXY])]
    if len(full) > 1:
        found.append(_agreed(SEEDS, list(itertools.combinations(full, 2))))
    for name in series:
        if name != PROXY:
            ahead = asdict(difference(pairs[PROXY], pairs[name]))
            found.append({**_agreed(name, pairs[name]), "ahead": ahead})
    return found


def _number(score: float | None) -> float:
    return -math.inf if score is None else score


def _agreed(name: str, pairs: Pairs) -> dict[str, Any]:
    return {"what": name, **asdict(agreement(pairs))}


def trust_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns the agreements as they are printed: rounded, on one line each."""

    def rounded(found: Row, name: str) -> Any:
        value = found.get(name)
        return "–" if value is None else round(value, 3)

    return [
        {
            "what orders the networks": row["what"],
            "τ": rounded(row, "tau"),
            "95% from": rounded(row, "low"),
            "to": rounded(row, "high"),
            "proxy ahead by": rounded(row.get("ahead", {}), "tau"),
            "95% of that from": rounded(row.get("ahead", {}), "low"),
            "until": rounded(row.get("ahead", {}), "high"),
            "n": row["n"],
        }
        for row in rows
    ]


def trust_seconds(networks: Sequence[Row]) -> dict[str, float]:
    """Returns the median seconds of a training by the proxy and by the full recipe."""
    rows = [row["seconds"] for row in whole(networks)]
    if not rows:
        return {}
    every = [seconds for row in rows for seconds in row["full"]]
    return {
        "proxy": statistics.median(row["proxy"] for row in rows),
        "full": statistics.median(every),
    }


def _tau(row: Row) -> str:
    if row["tau"] is None:
        return "no order at all"
    between = "" if row["low"] is None else f" (95%: {row['low']:.2f} to {row['high']:.2f})"
    return f"τ {row['tau']:.2f}{between}"


def verdict(rows: Sequence[Row], seconds: Mapping[str, float]) -> str:
    """Says in a few sentences what the agreements mean for a search."""
    known = {row["what"]: row for row in rows}
    if PROXY not in known:
        return "Too few networks were trained by both to compare them."
    parts = [f"The proxy orders networks as the full recipe does with {_tau(known[PROXY])}"]
    if SEEDS in known:
        parts[0] += f"; another seed of the full recipe itself with {_tau(known[SEEDS])}"
    parts[0] += f"; over {known[PROXY]['n']} networks."
    seeds = known.get(SEEDS)
    if seeds and seeds["low"] is not None and seeds["low"] <= 0:
        parts.append(
            "That even two seeds agree is not shown: these networks differ by less than the noise "
            "of a training, and no proxy can order them."
        )
    else:
        parts.append(_against_free(rows, known[PROXY]))
    if seconds.get("full"):
        parts.append(f"It takes {seconds['proxy'] / seconds['full']:.0%} of the time.")
    return " ".join(parts)


def _against_free(rows: Sequence[Row], proxy: Row) -> str:
    """Says whether the proxy tells more than what is known without training."""
    free = [row for row in rows if "ahead" in row and row["tau"] is not None]
    if not free or proxy["low"] is None:
        return ""
    best = max(free, key=lambda row: row["tau"])
    ahead, told = best["ahead"], f"{best['what']} would give {best['tau']:.2f}"
    if ahead["low"] is not None and ahead["low"] > 0:
        return f"That is more than what costs no training tells: {told}."
    return (
        f"It is not shown to tell more than what costs no training: {told}; "
        "more networks or longer trainings would show it, if it does."
    )
