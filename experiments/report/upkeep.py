"""The sections about the run itself: the time it took, and how to do it again."""

from __future__ import annotations

import shlex

from experiments.amounts import format_count, format_seconds
from experiments.report.contents import Contents
from experiments.report.plots import Plots
from experiments.report.tables import lines, paragraph, section, table

__all__ = ["ledger_section", "reproduce_section"]


def ledger_section(contents: Contents, _: Plots) -> str:
    """Lists wall and CPU seconds by step."""
    if not contents.ledger:
        return ""
    kinds = list(dict.fromkeys(kind for spent in contents.ledger.values() for kind in spent))
    rows = [
        (step, *(format_seconds(spent.get(kind, 0.0)) for kind in kinds))
        for step, spent in contents.ledger.items()
    ]
    totals = (sum(s.get(kind, 0.0) for s in contents.ledger.values()) for kind in kinds)
    rows.append(("all", *map(format_seconds, totals)))
    names = {"wall": "wall time", "cpu": "CPU time", "gpu": "GPU time"}
    columns = {"step": "left", **{names.get(kind, kind): "right" for kind in kinds}}
    caption = "Time by step, of all calls together"
    return section("time", "Time", table(caption, columns, rows, marked=(len(rows) - 1,)))


def _facts(contents: Contents) -> list[tuple[str, object]]:
    data, search = contents.config.data, contents.config.search
    facts: list[tuple[str, object]] = [
        ("seed", contents.config.seed),
        ("data", data.source),
        ("data fingerprint", data.fingerprint),
        ("split digest", f"{data.split_digest} (seed {data.seed})"),
    ]
    if search:
        asked = f"{search.space}, side {search.resolution}, {format_count(search.target_macs)} MACs"
        facts += [("space", asked), ("sampler", f"{search.sampler}, {search.trials} trials")]
    return facts + [(f"{name} version", version) for name, version in contents.versions.items()]


def reproduce_section(contents: Contents, _: Plots) -> str:
    """Gives the command, and what must be the same for the same numbers."""
    parts = []
    if contents.command:
        # The program's own path is this machine's; the command is called `nas` everywhere.
        command = shlex.join(["nas", *contents.command[1:]])
        parts += [paragraph("The last command that set this folder's values:"), lines([command])]
    columns = {"what": "left", "value": "text"}
    parts.append(table("What the numbers depend on", columns, _facts(contents)))
    return section("reproduce", "How to reproduce", *parts)
