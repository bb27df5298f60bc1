"""The sections of what a run found: results, search, scaling, networks, trainings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.aim_texts import cost_label, formula_text
from experiments.aims import amount_text
from experiments.amounts import format_count, format_seconds
from experiments.goals import front_of
from experiments.render import RESULT_COLUMNS, percent, result_rows
from experiments.report import figures
from experiments.report.contents import Contents, Trial, blocks_of
from experiments.report.drawing import draw
from experiments.report.front_figures import hypervolume_figure
from experiments.report.plots import Plots, side_by_side
from experiments.report.tables import (
    MACS_NOTE,
    accuracy_text,
    lines,
    paragraph,
    plural,
    section,
    table,
)

__all__ = [
    "accuracy_section",
    "base_section",
    "family_section",
    "progress_section",
    "results_section",
]


def results_section(contents: Contents, _: Plots) -> str:
    """Writes the final table."""
    if not contents.results:
        return ""
    caption = "Test accuracy, mean ± deviation over seeds"
    bases = [i for i, row in enumerate(contents.results) if row["role"] == "base"]
    note = (
        "The deviation is the sample's, over trainings that differ only in their seed; a network "
        "trained with one seed has none, and a difference smaller than the deviation of others "
        f"says nothing about it. The test part was read once a training. {MACS_NOTE}"
    )
    rows = result_rows(contents.results)
    return section(
        "results", "Results", table(caption, RESULT_COLUMNS, rows, marked=bases), paragraph(note)
    )


def _evaluated(contents: Contents) -> int:
    return sum(trial.evaluated for trial in contents.trials)


def _trials_plot(contents: Contents, plots: Plots) -> str:
    epochs = contents.config.search.epochs if contents.config.search else 0
    caption = (
        f"{plural(_evaluated(contents), 'network')} of the search, each trained once for "
        f"{plural(epochs, 'epoch')}: one seed's validation accuracy, for choosing, not for quoting."
    )
    return plots.html(figures.trials_figure(contents), "In the search", caption)


def _test_plot(contents: Contents, plots: Plots) -> str:
    caption = (
        f"Trained for up to {plural(contents.config.recipe.epochs, 'epoch')}; bars are deviations "
        "over seeds, where there is more than one."
    )
    return plots.html(figures.test_figure(contents), "On the test part", caption)


def accuracy_section(contents: Contents, plots: Plots) -> str:
    """Draws accuracy against MACs: the search's trials, and the final networks."""
    drawn = []
    if _evaluated(contents):
        drawn.append(_trials_plot(contents, plots))
    if contents.results:
        drawn.append(_test_plot(contents, plots))
    body = side_by_side(*drawn) + _front_table(contents) if drawn else ""
    over = "MACs" if contents.front_cost == "macs" else "cost"
    return section("accuracy", f"Accuracy against {over}", body)


def _front_table(contents: Contents) -> str:
    numbers = {entry["trial"] for entry in contents.front}
    there = (trial for trial in contents.trials if trial.number in numbers)
    blocks = {trial.number: " ".join(trial.blocks) for trial in there}
    shown = list(dict.fromkeys((contents.front_cost, "macs")))
    searched = front_of(contents.config.search) is not None
    rows = [
        (
            entry["trial"],
            *(amount_text(name, entry[name]) for name in shown),
            percent(entry["accuracy"]),
            *([percent(entry["believed"]), _again_text(entry)] if searched else []),
            f"{entry['reward']:.4f}",
            blocks.get(entry["trial"], ""),
        )
        for entry in contents.front
    ]
    columns = {
        "trial": "left", **{cost_label(name): "right" for name in shown}, "accuracy": "right",
        **({"believed": "right", "trained again": "right"} if searched else {}),
        "reward": "right", "blocks": "code",
    }  # fmt: skip
    return table("Pareto front of the search (validation)", columns, rows) if rows else ""


def _again_text(entry: Mapping[str, Any]) -> str:
    again = entry.get("confirmed")
    return f"{accuracy_text(again['accuracy'], again['deviation'])}" if again else "–"


def progress_section(contents: Contents, plots: Plots) -> str:
    """Draws the search's progress, and counts what failed or came twice."""
    if not contents.trials:
        return ""
    body = ""
    search = contents.config.search
    if _evaluated(contents) and search:
        caption = (
            f"Sampler {search.sampler}; reward: {formula_text(search)}, from validation accuracy."
        )
        if contents.random:
            caption += " The random search had the same budget."
        body = side_by_side(
            _by_trial(contents, plots, caption),
            plots.html(hypervolume_figure(contents), "Front by time", _area_text(contents)),
        )
    return section("search", "The search's progress", body, _counts(contents))


def _by_trial(contents: Contents, plots: Plots, caption: str) -> str:
    """Draws what the search is after: the reward, or the front's hypervolume."""
    if front_of(contents.config.search) is None:
        return plots.html(figures.progress_figure(contents), "Reward by trial", caption)
    return plots.html(hypervolume_figure(contents, by="trials"), "Front by trial", caption)


def _area_text(contents: Contents) -> str:
    front = front_of(contents.config.search)
    between = "from the cheapest network trained to the most costly"
    if front is not None:
        low, high = (amount_text(front.cost, each) for each in (front.span.low, front.span.high))
        between = f"from {low} to {high}"
    return (
        "Hypervolume of the measured Pareto front: the best accuracy for each budget of "
        f"{cost_label(contents.front_cost)}, averaged over their logarithm {between}; an accuracy "
        "of 0 before the cheapest. By the time that trainings took."
    )


def _counts(contents: Contents) -> str:
    failed = [trial for trial in contents.trials if trial.state == "fail"]
    over = sum(trial.refused is not None for trial in contents.trials)
    refused = f"{over:,} over a limit or without a chance and not trained, " if over else ""
    twice = sum(trial.duplicate and not trial.refused for trial in contents.trials)
    left = [trial for trial in contents.trials if trial.left]
    text = (
        f"{plural(len(contents.trials), 'trial')}: {_evaluated(contents):,} trained{_left(left)}, "
        f"{twice:,} with the network of an earlier trial (not trained again), "
        f"{refused}{len(failed):,} failed."
    )
    rows = [(trial.number, trial.error or "unknown", " ".join(trial.blocks)) for trial in failed]
    columns = {"trial": "left", "error": "text", "blocks": "code"}
    return paragraph(text) + (table("Failed trials", columns, rows) if rows else "")


def _left(trials: Sequence[Trial]) -> str:
    """Says how many trainings were left at which rung, and what they took."""
    if not trials:
        return ""
    at = Counter(trial.rung or 0 for trial in trials)
    rungs = ", ".join(f"{count:,} at rung {rung}" for rung, count in sorted(at.items()))
    spent = format_seconds(sum(trial.seconds or 0.0 for trial in trials))
    return f" to the end, {len(trials):,} left on the way ({rungs}; {spent})"


def base_section(contents: Contents, _: Plots) -> str:
    """Draws the base, or what `nas train` trained, and gives its block strings."""
    spec = contents.network
    if spec is None:
        return ""
    title = "The base, stage by stage" if contents.base else "The network, stage by stage"
    intro = (
        f"{spec.name}, side {spec.resolution}. One bar a block; a bar's width grows with the "
        "square root of its channels. Beside it: what comes out, and its MACs."
    )
    drawn = side_by_side(draw(spec), lines(blocks_of(spec)))
    return section("base", title, paragraph(intro), drawn)


def _member_row(member: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[object, ...]:
    row = results.get(member["name"])
    return (
        member["name"],
        f"{member['phi']:.3g}",
        f"{member['depth']:.3g}",
        f"{member['width']:.3g}",
        member["resolution"],
        format_count(member["macs"]),
        f"×{member['macs_ratio']:.2f}",
        f"×{member['nominal_ratio']:.2f}",
        format_count(member["params"]),
        accuracy_text(row["test_accuracy"], row["deviation"]) if row else "–",
    )


def family_section(contents: Contents, _: Plots) -> str:
    """Lists the family with what each member really costs beside the nominal 2^φ."""
    if not contents.members:
        return ""
    columns = {
        "member": "left", "φ": "right", "depth ×": "right", "width ×": "right", "side": "right",
        "MACs": "right", "counted": "right", "nominal 2^φ": "right", "params": "right",
        "test accuracy": "right",
    }  # fmt: skip
    results = {row["name"]: row for row in contents.results}
    rows = [_member_row(member, results) for member in contents.members]
    return section("family", "The family", table("What each member costs", columns, rows))
