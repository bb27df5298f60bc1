"""A network's counts as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.render import print_lines, print_table

__all__ = ["print_cost"]


def print_cost(document: Mapping[str, Any]) -> None:
    """Prints a network's counts by stage."""
    columns = {
        "stage": "left", "channels": "right", "side": "right", "MACs": "right", "params": "right",
        "activations": "right", "training MiB": "right", "inference MiB": "right",
    }  # fmt: skip
    rows = [
        (s["name"], str(s["out_ch"]), str(s["side"]), *_cost_cells(s)) for s in document["stages"]
    ]
    side = document["resolution"]
    title = f"{document['name']} at {side}×{side}, {document['num_classes']} classes"
    print_table(title, columns, [*rows, ("all", "", "", *_cost_cells(document))])
    print_lines(
        [
            f"memory: at batch {document['batch']}, in float32",
            "  training: what backward needs kept, weights, gradients, momentum, averaged weights",
            "  inference: weights (a stage's own, or all) and the most activations alive at once",
            "MACs are multiply-adds, counted once; papers call them FLOPs.",
        ]
    )
    if "fvcore" in document:
        _print_fvcore(document["fvcore"])


def _print_fvcore(counted: Mapping[str, Any]) -> None:
    verdict = "the same" if counted["equal"] else "NOT the same"
    lines = [f"fvcore on the built network: {counted['macs']:,} MACs, {verdict}"]
    for label, by_operator in (
        ("counted besides", counted["other_counted"]),
        ("could not count (times)", counted["uncounted"]),
    ):
        named = ", ".join(f"{name} {count:,}" for name, count in by_operator.items())
        lines.append(f"  {label}: {named or 'nothing'}")
    print_lines(lines)


def _cost_cells(counted: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{counted[name]:,}" for name in ("macs", "params", "activations"))
    memory = (counted[f"{name}_memory_bytes"] / 2**20 for name in ("train", "inference"))
    return (*counts, *(f"{mib:,.2f}" for mib in memory))
