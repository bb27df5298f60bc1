"""A family, and a grid's candidates, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.amounts import format_bytes, format_count
from experiments.render import print_lines, print_paths, print_table

__all__ = ["print_candidates", "print_family"]

Document = Mapping[str, Any]


def print_candidates(document: Document) -> None:
    """Prints a grid's candidates."""
    columns = {
        "α": "right", "β": "right", "γ": "right", "α·β²·γ²": "right", "MACs": "right",
        "MACs ratio": "right", "side": "right", "to train": "left",
    }  # fmt: skip
    found = document["candidates"]
    rows = [
        (*(f"{c[name]:g}" for name in ("alpha", "beta", "gamma")), f"{c['product']:.3f}",
         format_count(c["macs"]), f"{c['macs_ratio']:.2f}", str(c["resolution"]),
         "yes" if c["trained"] else "")
        for c in found
    ]  # fmt: skip
    print_table(f"{len(found)} of {document['points']:,} points of the grid", columns, rows)
    ratios = [c["macs_ratio"] for c in found]
    print_lines(
        [
            f"different networks: {document['networks']}; they really cost {min(ratios):.2f} to "
            f"{max(ratios):.2f} times the MACs of {document['base']['name']}"
        ]
    )


def print_family(document: Document) -> None:
    """Prints a family beside its nominal costs, and whether its members train on the device."""
    shown = {
        "member": "left", "φ": "right", "depth": "right", "width": "right", "side": "right",
        "params": "right", "MACs": "right", "MACs ratio": "right", "2^φ": "right",
        "training": "right",
    }  # fmt: skip
    known = document["device"]["memory_bytes"] is not None
    if known:
        shown |= {"fits": "left", "largest batch": "right"}
    if document["step_times"]:
        shown |= {"step": "right"}
    rows = [
        (*_counted_cells(m), *(_fit_cells(m) if known else ()),
         *([_step_cell(m)] if document["step_times"] else []))
        for m in document["members"]
    ]  # fmt: skip
    print_table(_title(document), shown, rows)
    print_lines([_memory_line(document["device"]), *_missed(document["members"])])
    if document["published"]:
        _print_published(document)
    print_paths({"specs": document["path"]})


def _title(document: Document) -> str:
    constants = document["constants"]
    if document["published"]:
        return "As published; φ = log2(depth·width²·(side ratio)²)"
    alpha, beta, gamma = (f"{constants[name]:g}" for name in ("alpha", "beta", "gamma"))
    return (
        f"α {alpha}, β {beta}, γ {gamma} ({constants['source']}); "
        f"α·β²·γ² = {constants['product']:.3f}{_rules(document['rounding'])}"
    )


def _rules(rounding: Document) -> str:
    """Names the rounding rules that are not EfficientNet's."""
    named = {
        f"divisor {rounding['divisor']}": rounding["divisor"] != 8,
        "no 90% rule": not rounding["ninety_percent"],
        "fixed ends": rounding["fixed_ends"],
        f"late layers {rounding['late_layers']:g}": rounding["late_layers"] > 0,
    }
    return "".join(f"; {name}" for name, said in named.items() if said)


def _counted_cells(m: Document) -> tuple[str, ...]:
    return (
        m["name"], f"{m['phi']:.4g}", f"×{m['depth']:.2f}", f"×{m['width']:.2f}",
        str(m["resolution"]), format_count(m["params"]), format_count(m["macs"]),
        f"{m['macs_ratio']:.2f}", f"{m['nominal_ratio']:.2f}",
        format_bytes(m["train_memory_bytes"]),
    )  # fmt: skip


def _fit_cells(m: Document) -> tuple[str, str]:
    return "yes" if m["fits"] else "NO", f"{m['largest_batch']:,}"


def _step_cell(m: Document) -> str:
    return "–" if m["step_seconds"] is None else f"{m['step_seconds'] * 1e3:,.1f} ms"


def _memory_line(device: Document) -> str:
    line = f"training: memory of a step at batch {device['batch']} in {device['precision']}"
    if device["memory_bytes"] is None:
        return f"{line}; --device and --memory say whether it fits"
    usable, whole = map(format_bytes, (device["usable_bytes"], device["memory_bytes"]))
    return (
        f"{line}, by the model; fits: in {usable}, nine tenths of the {whole} of {device['name']}"
    )


def _missed(members: list[Document]) -> Iterator[str]:
    """Says which MACs targets were missed by more than 5%."""
    for m in members:
        if m["is_near"] is False:
            yield (
                f"{m['name']}: {format_count(m['macs'])} MACs are the nearest to "
                f"{format_count(m['target'])} that rounding allows, {m['error']:.1%} from it "
                "(a smaller --divisor may come nearer)"
            )


def _print_published(document: Document) -> None:
    """Prints what the authors wrote beside the counts, and the φ of each dimension."""
    columns = {
        "member": "left", "φ": "right", "φ by depth": "right", "φ by width": "right",
        "φ by side": "right", "params": "right", "published": "right", "MACs": "right",
        "published FLOPs": "right", "top-1": "right", "dropout": "right",
    }  # fmt: skip
    rows = [_published_cells(m) for m in document["members"]]
    alpha, beta, gamma = (f"{document['constants'][n]:g}" for n in ("alpha", "beta", "gamma"))
    print_table(f"The φ at which α {alpha}, β {beta}, γ {gamma} give each number", columns, rows)


def _published_cells(m: Document) -> tuple[str, ...]:
    by, said = m["phi_by_dimension"], m["published"]
    solved = (by[name] for name in ("depth", "width", "resolution"))
    return (
        m["name"], f"{m['phi']:.2f}", *("–" if phi is None else f"{phi:.2f}" for phi in solved),
        format_count(m["params"]), said["params"] or "–",
        format_count(m["macs"]), said["macs"] or "–",
        "–" if said["top1"] is None else f"{said['top1']:g}%", f"{m['recipe']['dropout']:g}",
    )  # fmt: skip
