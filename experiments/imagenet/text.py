"""The answer as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.amounts import format_count
from experiments.render import percent, print_lines, print_paths, print_table

__all__ = ["print_answer"]

COLUMNS = {
    "network": "left", "accuracy": "right", "MACs": "right", "params": "right", "reward": "right",
}  # fmt: skip
LISTED = 5


def print_answer(document: Mapping[str, Any]) -> None:
    """Prints the best network beside published ones, and how far it can be trusted."""
    best, maximum = document["best"], document["maximum"]
    others = [{"name": f"the best but {n}", **row} for n, row in enumerate(document["top"])]
    rows = [_cells(row) for row in (best, *others[1:LISTED], *document["published"])]
    print_table("Predicted for ImageNet (no training, no data)", COLUMNS, rows)
    outside = ", ".join(document["outside_the_space"])
    print_lines(
        [
            f"best: {best['name']} at {best['resolution']}×{best['resolution']}",
            *(f"  {block}" for block in best["blocks"]),
            _proof(maximum),
            *_measured(document),
            *([f"not in space {maximum['space']}: {outside}"] if outside else []),
            *_target(document),
        ]
    )
    print_paths(document.get("paths", {}))


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        _accuracy(row),
        format_count(row["macs"]),
        format_count(row["params"]),
        f"{row['reward']:.4f}",
    )


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy'])} ± {row['deviation'] * 100:.2f}"


def _proof(maximum: Mapping[str, Any]) -> str:
    what = f"of the {maximum['networks']:,} networks of space {maximum['space']}"
    climbs = f"{maximum['climbs_that_reached_it']} of {maximum['climbs']} climbs from random starts"
    if maximum["proven"]:
        return f"{what} none has a higher predicted reward: proven; {climbs} ended there"
    return f"{what} others may have a higher predicted reward: not proven; {climbs} ended there"


def _measured(document: Mapping[str, Any]) -> list[str]:
    measured = document["measured"]
    nearest, source = measured["nearest"], document["source"]
    macs, params = (" to ".join(map(format_count, measured[n])) for n in ("macs", "params"))
    accuracy = " to ".join(map(percent, measured["accuracy"]))
    typical = nearest["choices_apart_of_a_random_network"]
    return [
        f"accuracies are {source['measured']}: below what a full training reaches",
        f"measured range: {macs} MACs, {params} params, accuracy {accuracy}; "
        f"the best lies {_place(measured['outside'])}",
        f"nearest of the {measured['networks']:,} measured: {nearest['choices_apart']} of "
        f"{measured['choices']} choices apart (a random network: {typical:g}), "
        f"{format_count(nearest['macs'])} MACs, measured {percent(nearest['accuracy'])}",
        f"source: {source['published']}; {source['licence']}",
    ]


def _place(outside: Mapping[str, float]) -> str:
    """Says how far outside the measured range the best is."""
    named = {"macs": "MACs", "params": "params", "accuracy": "accuracy"}
    away = [
        f"{abs(share):.1%} {'above' if share > 0 else 'below'} it in {named[name]}"
        for name, share in outside.items()
        if share
    ]
    return f"OUTSIDE: {', '.join(away)}; less certain than its ±" if away else "inside it"


def _target(document: Mapping[str, Any]) -> list[str]:
    """Says what a soft reward does not do: hold its best network to the target."""
    if document["objective"]["name"] != "soft":
        return []
    return [
        "the soft reward has the same best network at every target; --objective hard gives the "
        "most accurate of at most the target's MACs"
    ]
