"""The sections about the run itself: the time it took, and how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from experiments.aim_texts import aim_text
from experiments.amounts import format_seconds
from experiments.report.contents import Contents
from experiments.report.plots import Plots
from experiments.report.tables import lines, paragraph, section, table
from experiments.report.trained import command_again

__all__ = ["ledger_section", "reproduce_section"]

MOST_CLASSES = 20


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
        ("images", f"{data.train:,} training, {data.validation:,} validation, {data.test:,} test"),
        ("at most", "all of them" if data.limit is None else f"{data.limit:,} images"),
        ("image side", f"{data.image_size} pixels, as they are kept"),
        ("classes", _classes(data.classes)),
        ("data fingerprint", data.fingerprint),
        ("split digest", f"{data.split_digest} (seed {data.seed})"),
    ]
    if search:
        asked = f"{search.space}, side {search.resolution}, {aim_text(search)}"
        facts += [("space", asked), ("sampler", f"{search.sampler}, {search.trials} trials")]
    training = contents.config.training
    if training and training.weights:
        facts.append(("weights", f"{training.weights} (digest {training.digest})"))
    return facts + [(f"{name} version", version) for name, version in contents.versions.items()]


def _classes(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_CLASSES:,} more" if len(names) > MOST_CLASSES else ""
    return f"{len(names):,}: {', '.join(names[:MOST_CLASSES])}{more}"


def reproduce_section(contents: Contents, _: Plots) -> str:
    """Gives the command, and what must be the same for the same numbers."""
    parts = []
    if contents.command:
        # The program's own path is this machine's; the command is called `nas` everywhere.
        command = shlex.join(["nas", *contents.command[1:]])
        parts += [paragraph("The last command that set this folder's values:"), lines([command])]
    if again := command_again(contents):
        text = "The same training from this folder alone, should files that it named have changed:"
        parts += [paragraph(text), lines([again])]
    columns = {"what": "left", "value": "text"}
    parts.append(table("What the numbers depend on", columns, _facts(contents)))
    return section("reproduce", "How to reproduce", *parts)
