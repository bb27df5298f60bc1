"""What `nas doctor` found, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.amounts import format_count
from experiments.render import print_lines, print_table

__all__ = ["print_doctor"]

_MOST_ROWS = 24
_MOST_LISTED = 20
_PARTS = ("train", "validation", "test")


def print_doctor(document: Mapping[str, Any]) -> None:
    """Prints versions, devices, the cache, the data's findings, and what is missing."""
    packages = {"package": "left", "version": "left", "get it": "left"}
    rows = [
        (p["name"], p["version"] or ("missing" if p["needed"] else "not installed"),
         "" if p["version"] else p["get"])
        for p in document["packages"]
    ]  # fmt: skip
    title = f"compound-nas {document['compound_nas']}, Python {document['python']}"
    print_table(title, packages, rows)
    for device in document["devices"]:
        cores = f", {device['cores']} cores" if "cores" in device else ""
        memory = f"{device['memory_bytes'] / 2**30:.0f} GiB"
        print_lines([f"device {device['name']}: {device['model']}{cores}, {memory}"])
    if len(document["devices"]) < 2:
        print_lines(["no GPU found: training runs on the CPU"])
    print_lines([_cache(document["cache"])])
    if "data" in document:
        _print_data(document["data"])
    whole = not any(package["needed"] for package in document["missing"])
    print_lines(["everything needed is there" if whole else "something needed is missing"])


def _cache(state: Mapping[str, Any]) -> str:
    read_only = "" if state["writable"] else "; cannot be written, so nothing is kept"
    return (
        f"cache {state['path']}: {format_count(state['bytes'])}B of "
        f"{format_count(state['limit_bytes'])}B in {state['copies']} files{read_only}"
    )


def _print_data(data: Mapping[str, Any]) -> None:
    _print_classes(data)
    print_lines(_facts(data))
    print_lines(_listed("unreadable", data["unreadable"]["listed"], data["unreadable"]["count"]))
    for name in ("duplicates", "leaks", "contradictions"):
        groups = [" = ".join(group) for group in data[name]["examples"]]
        print_lines(_listed(name, groups, data[name]["groups"]))
    print_lines(_listed("one colour", data["one_colour"]["examples"], data["one_colour"]["count"]))
    print_lines(f"warning: {warning}" for warning in data["warnings"])
    print_lines(f"PROBLEM: {problem}" for problem in data["problems"])
    if "preview" in data:
        print_lines([f"preview: {data['preview']}"])
    if not data["problems"]:
        print_lines([f"{data['name']}: no problems found in {data['looked_at']} images"])


def _print_classes(data: Mapping[str, Any]) -> None:
    """Prints counts by class and part, the largest first; the middle of a long list is left out."""
    counts = sorted(data["by_class"].items(), key=lambda entry: (-sum(entry[1].values()), entry[0]))
    rows = [[name, *(f"{parts[part]:,}" for part in _PARTS)] for name, parts in counts]
    if len(rows) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        between = [f"… {len(rows) - 2 * half} more …", *("" for _ in _PARTS)]
        rows = [*rows[:half], between, *rows[-half:]]
    rows.append(["all", *(f"{data['counts'][part]:,}" for part in _PARTS)])
    columns = {"class": "left"} | dict.fromkeys(_PARTS, "right")
    print_table(f"{data['name']}: {data['images']:,} images", columns, rows)


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    sizes = data["sizes"]
    if sizes["common"]:
        common = ", ".join(f"{w}×{h} ({count:,})" for w, h, count in sizes["common"])
        yield f"sizes, width×height: {sizes['different']} different; most common {common}"
        named = (f"{name} {sizes[name][0]}×{sizes[name][1]}" for name in ("min", "median", "max"))
        yield f"  {', '.join(named)}; kept at {data['image_size']}×{data['image_size']}"
        yield "modes: " + ", ".join(f"{mode} ({count:,})" for mode, count in data["modes"].items())
    if data["fingerprint"]:
        yield f"fingerprint {data['fingerprint']}, split {data['split_digest']} (seed 0)"


def _listed(name: str, lines: list[str], count: int) -> Iterator[str]:
    if count:
        yield f"{name}: {count:,}"
        yield from (f"  {line}" for line in lines[:_MOST_LISTED])
        if count > len(lines[:_MOST_LISTED]):
            yield f"  … and {count - len(lines[:_MOST_LISTED]):,} more (--json lists more)"
