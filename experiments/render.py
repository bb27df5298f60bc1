"""Results as a person reads them: tables and lines for the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.amounts import format_count, format_seconds

__all__ = ["percent", "print_json", "print_lines", "print_table", "result_rows"]

Row = Sequence[str]
EXACT = ("size", "networks")  # of a space: worth every digit


def print_json(document: Any) -> None:
    """Prints one JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(title: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
    """Prints a table on stdout; `columns` gives each heading its justification."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for heading, justify in columns.items():
        table.add_column(heading, justify="left" if justify == "left" else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines on stdout."""
    for line in lines:
        sys.stdout.write(line + "\n")


def percent(value: float | None, digits: int = 2) -> str:
    """Writes 0.9834 as `98.34%`, and None as a dash."""
    return "–" if value is None else f"{value:.{digits}%}"


RESULT_COLUMNS = {
    "network": "left", "role": "left", "side": "right", "MACs": "right", "params": "right",
    "test accuracy": "right", "seeds": "right", "training": "right",
}  # fmt: skip


def result_rows(results: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Returns the rows of the final table: accuracies as mean ± deviation over seeds."""
    rows: list[Row] = []
    for result in results:
        spread = "" if result["deviation"] is None else f" ± {result['deviation'] * 100:.2f}"
        rows.append(
            (
                str(result["name"]),
                str(result["role"]),
                str(result["resolution"]),
                format_count(result["macs"]),
                format_count(result["params"]),
                f"{percent(result['test_accuracy'])}{spread}",
                str(result["seeds"]),
                format_seconds(result["seconds"]),
            )
        )
    return rows


def print_search(document: Mapping[str, Any]) -> None:
    """Prints what a search found."""
    from experiments.aims import amount_text  # noqa: PLC0415 (numpy, which no other text needs)
    from experiments.random_baseline import random_text  # noqa: PLC0415 (pydantic, likewise)
    from experiments.seed_results import seeds_text  # noqa: PLC0415 (likewise)

    best, over = document["best"], document["front_cost"]
    shown = [over] if over == "macs" else [over, "macs"]
    names = ["MACs" if name == "macs" else name.replace("_", " ") for name in shown]
    columns = {"trial": "right", **dict.fromkeys(names, "right")}
    believed = "hypervolume" in document
    columns |= {"accuracy": "right", **({"believed": "right"} if believed else {})}
    columns |= {"reward": "right"}
    rows = [
        (
            str(entry["trial"]),
            *(amount_text(name, entry[name]) for name in shown),
            percent(entry["accuracy"]),
            *([percent(entry["believed"])] if believed else []),
            f"{entry['reward']:.4f}",
        )
        for entry in document["front"]
    ]
    print_table("Pareto front (validation accuracy, one training each)", columns, rows)
    if "seeds" in document:
        print_seeds(document["seeds"])
    again = " when trained again" if len(best["evaluations"]) > 1 else ""
    print_lines(
        [
            f"best: {best['name']} (trial {best['trial']}), {format_count(best['macs'])} MACs, "
            f"{format_count(best['params'])} params, reward {best['reward']:.4f}{again}",
            *(f"  {block}" for block in best["blocks"]),
            *([seeds_text(document)] if "seeds" in document else []),
            *_volume_lines(document),
            *([random_text(document["compared"])] if "compared" in document else []),
        ]
    )
    print_paths(document["paths"])


def print_seeds(seeds: Iterable[Mapping[str, Any]]) -> None:
    """Prints what each of several searches came to."""
    columns = dict.fromkeys(("seed", "trial", "reward", "networks trained", "training"), "right")
    rows = [
        (
            str(each["seed"]),
            str(each["trial"]),
            f"{each['reward']:.4f}",
            str(each["trials"]),
            format_seconds(each["seconds"]),
        )
        for each in seeds
    ]
    print_table("Best of each search", columns, rows)


def _volume_lines(document: Mapping[str, Any]) -> list[str]:
    """Says how much a front that was searched for dominates."""
    if "hypervolume" not in document:
        return []
    from experiments.aims import amount_text  # noqa: PLC0415 (numpy, which no other text needs)

    cost = document["front_cost"]
    low, high = (amount_text(cost, amount) for amount in document["range"])
    name = "MACs" if cost == "macs" else cost.replace("_", " ")
    return [
        f"hypervolume {document['hypervolume']:.4f} as measured, "
        f"{document['believed_hypervolume']:.4f} as believed: the best accuracy for each budget "
        f"from {low} to {high} {name}, averaged over its logarithm"
    ]


def print_paths(paths: Mapping[str, str | None]) -> None:
    """Prints what was written where."""
    width = max(map(len, paths), default=0)
    print_lines(f"{name:<{width}}  {path}" for name, path in paths.items() if path)


def print_training(document: Mapping[str, Any]) -> None:
    """Prints one training's results."""
    print_lines(
        [
            f"{document['name']} at {document['resolution']} pixels: "
            f"test accuracy {percent(document['test_accuracy'])}, "
            f"validation {percent(document['validation_accuracy'])} "
            f"(epoch {document['best_epoch']} of {document['epochs']}), "
            f"{format_count(document['macs'])} MACs, {format_count(document['params'])} params, "
            f"{format_seconds(document['seconds'])}",
        ]
    )
    print_paths({"checkpoint": document["checkpoint"]})


def print_trained_family(document: Mapping[str, Any]) -> None:
    """Prints a trained family, smaller members first."""
    columns = {
        "member": "left", "side": "right", "MACs": "right", "test accuracy": "right",
        "validation": "right", "epochs": "right", "training": "right", "inherited from": "left",
    }  # fmt: skip
    rows = [
        (m["name"], str(m["resolution"]), format_count(m["macs"]), percent(m["test_accuracy"]),
         percent(m["validation_accuracy"]), str(m["epochs"]), format_seconds(m["seconds"]),
         m["inherited_from"] or "–")
        for m in document["members"]
    ]  # fmt: skip
    print_table("The family, one training each", columns, rows)
    print_paths({"checkpoints": str(document["path"])})


def print_export(document: Mapping[str, Any]) -> None:
    """Prints what was exported, and how far each file is from torch."""
    columns = {"format": "left", "file": "left", "size": "right", "largest difference": "right"}
    rows = [
        (
            item["format"],
            item["path"],
            f"{item['bytes'] / 1024:.0f} KiB",
            "–" if item["largest_difference"] is None else f"{item['largest_difference']:.1e}",
        )
        for item in document["files"]
    ]
    print_table(f"{document['name']} exported, checked on real images", columns, rows)
    if not document["trained"]:
        print_lines(["weights are random: this network has not been trained"])
    print_paths({"manifest": document["manifest"]})


def print_listing(document: Mapping[str, Any]) -> None:
    """Prints a list of networks, spaces, samplers or recipes."""
    ((title, entries),) = document.items()
    if title == "recipes":
        _print_recipes(entries)
        return
    columns = {
        name.replace("_", " "): "left" if isinstance(value, str) else "right"
        for name, value in entries[0].items()
    }
    rows = [[_cell(name, value) for name, value in entry.items()] for entry in entries]
    print_table(title, columns, rows)


def _print_recipes(entries: list[Mapping[str, Any]]) -> None:
    """Prints recipes side by side, a key a row."""
    columns = {"key": "left"}
    columns.update({entry["name"]: "right" for entry in entries})
    keys = [key for key in entries[0] if key != "name"]
    print_table("recipes", columns, [[k, *(_cell(k, e[k]) for e in entries)] for k in keys])


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:,}" if name in EXACT else format_count(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def print_report(document: Mapping[str, Any]) -> None:
    """Prints a run's final table, what it found, and the files."""
    if document["results"]:
        title = "Test accuracy, mean ± deviation over seeds"
        print_table(title, RESULT_COLUMNS, result_rows(document["results"]))
    print_lines(document["summary"])
    print_paths(document["paths"])


def print_bench(document: Mapping[str, Any]) -> None:
    """Prints measurements, one table a kind."""
    for title, entries in document.items():
        columns = {
            name: "left" if isinstance(v, str) else "right" for name, v in entries[0].items()
        }
        print_table(title, columns, [[*map(_exact_cell, entry.values())] for entry in entries])


def _exact_cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _cell("", value)
