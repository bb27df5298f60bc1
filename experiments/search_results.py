"""What a search leaves behind: trials.parquet, best.json, front.json."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from experiments.fronts import front_document
from experiments.random_baseline import random_comparison
from experiments.seed_results import read_seeds
from experiments.store import RunFolder
from nas.confirmation import Confirmed
from nas.costs import UNITS
from nas.pareto import pareto_front
from nas.search import TrialRecord
from search_spaces.codec import spec_from_json, spec_to_json, stage_to_string
from search_spaces.cost import cost
from search_spaces.spec import ArchSpec

__all__ = ["front_of_trials", "search_document", "trial_rows", "write_search"]


def trial_rows(trials: list[TrialRecord]) -> list[dict[str, Any]]:
    """Returns one flat row a trial, as trials.parquet holds them; costs in `nas.costs.UNITS`."""
    return [
        {
            "trial": trial.number,
            "state": trial.state,
            "fingerprint": trial.fingerprint,
            "reward": trial.reward,
            "accuracy": trial.evaluation.accuracy if trial.evaluation else None,
            **{name: trial.costs.get(name) for name in UNITS},
            "seconds": trial.seconds,
            "seed": trial.evaluation.seed if trial.evaluation else None,
            "duplicate_of": trial.duplicate_of,
            "error": trial.error,
            "refused": trial.refused,
            "pruned": trial.pruned,
            "rung": len(trial.rungs) or None,
            "rung_accuracy": trial.rungs[-1] if trial.rungs else None,
            **trial.choices,
        }
        for trial in trials
    ]


def front_of_trials(trials: list[TrialRecord], cost: str = "macs") -> list[dict[str, Any]]:
    """Returns the Pareto front of measured accuracies against a cost, as front.json holds it."""
    evaluated = [t for t in trials if t.evaluation and t.duplicate_of is None and cost in t.costs]
    front = pareto_front(evaluated, gain=_accuracy, cost=lambda trial: trial.costs[cost])
    return [_entry(trial) for trial in front]


def write_search(
    folder: RunFolder, base: ArchSpec, best: Confirmed, front: list[dict[str, Any]]
) -> None:
    """Writes best.json and front.json."""
    folder.write_json(folder.front_path, front)
    result = {
        "trial": best.record.number,
        "fingerprint": best.record.fingerprint,
        "reward": best.mean_reward,
        "search_reward": best.record.reward,
        "costs": dict(best.record.costs),
        "evaluations": [asdict(evaluation) for evaluation in best.evaluations],
    }
    folder.write_json(folder.best_path, {**json.loads(spec_to_json(base)), "result": result})


def _accuracy(trial: TrialRecord) -> float:
    return trial.evaluation.accuracy if trial.evaluation else 0.0


def _entry(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "accuracy": _accuracy(trial),
        **trial.costs,
        "reward": trial.reward,
        **json.loads(spec_to_json(trial.spec)),
    }


def search_document(folder: RunFolder) -> dict[str, Any]:
    """Returns what a search found: the base with its result, the front, and the files."""
    best = json.loads(folder.best_path.read_text())
    spec = spec_from_json(json.dumps(best), where=str(folder.best_path))
    counted, asked = cost(spec), folder.read().search
    compared = random_comparison(folder)
    return {
        "best": {
            "name": spec.name,
            "macs": counted.macs,
            "params": counted.params,
            "resolution": spec.resolution,
            "blocks": [stage_to_string(stage) for stage in spec.stages],
            **best["result"],
        },
        "front_cost": asked.front_cost if asked else "macs",
        "front": json.loads(folder.front_path.read_text()),
        **read_seeds(folder),
        **front_document(folder, asked),
        **({"compared": compared} if compared else {}),
        "paths": {
            "best": str(folder.best_path),
            "front": str(folder.front_path),
            **({"specs": str(folder.front_specs_path)} if asked and asked.front_range else {}),
            "trials": str(folder.trials_path),
            **({"random": str(folder.random_path)} if compared else {}),
            **({"seeds": str(folder.seeds_path)} if folder.seeds_path.is_file() else {}),
        },
    }
