"""Times as a person reads them: medians with their spread, a verdict, a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.amounts import format_count
from experiments.render import print_lines, print_table

__all__ = ["comparison_line", "print_timing"]

WHAT = {"latency": "latency", "throughput": "throughput", "training_step": "training step"}


def print_timing(document: Mapping[str, Any]) -> None:
    """Prints what `nas cost --latency` measured, compared or predicted."""
    timing = document["timing"]
    side = document["resolution"]
    name = f"{document['name']} at {side}×{side}"
    if "predicted_s" in timing:
        print_lines([_prediction_line(name, timing), _device_line(timing)])
        return
    if "comparison" in timing:
        names = (document["name"], timing["against"])
        print_lines([comparison_line(timing["comparison"], *names), _device_line(timing)])
        return
    columns = {
        "what": "left", "batch": "right", "median": "right", "middle half": "right",
        "images/s": "right", "n": "right", "warm-ups": "right",
    }  # fmt: skip
    rows = [_row(title, timing[key]) for key, title in WHAT.items() if key in timing]
    print_table(f"{name}, {format_count(document['macs'])} MACs", columns, rows)
    print_lines([_device_line(timing)])


def _row(title: str, timing: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        title,
        str(timing["batch"]),
        f"{timing['median_s'] * 1e3:.3f} ms",
        f"{timing['low_s'] * 1e3:.3f}–{timing['high_s'] * 1e3:.3f}",
        f"{timing['images_per_s']:,.1f}",
        str(timing["n"]),
        str(timing["warm_ups"]),
    )


def comparison_line(comparison: Mapping[str, Any], first: str, second: str) -> str:
    """Says which of two networks is faster and by how much, or that it cannot be told."""
    ratio, low, high = (comparison[name] for name in ("ratio", "low", "high"))
    if not comparison["different"]:
        return (
            f"{first} and {second} cannot be told apart: the ratio of their times, {ratio:.3f}, "
            f"lies between {low:.3f} and {high:.3f}, which covers 1 (n {comparison['n']})"
        )
    if ratio < 1:
        first, second, ratio, low, high = second, first, 1 / ratio, 1 / high, 1 / low
    return (
        f"{first} is {ratio:.3f}× as fast as {second} ({low:.3f}–{high:.3f}, n {comparison['n']})"
    )


def _prediction_line(name: str, timing: Mapping[str, Any]) -> str:
    work = "latency" if timing["work"] == "inference" else "training step"
    return (
        f"{name}: {work} at batch {timing['batch']} about {timing['predicted_s'] * 1e3:.3f} ms, "
        f"{timing['images_per_s']:,.1f} images/s, predicted from {timing['table']}"
    )


def _device_line(timing: Mapping[str, Any]) -> str:
    threads = timing["threads"]
    return (
        f"{timing['device']} ({timing['model']}), {threads} thread{'s' if threads > 1 else ''}, "
        f"{timing['precision']}, torch {timing['torch']}"
    )
