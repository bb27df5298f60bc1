"""The answer: the best predicted network beside published ones, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from experiments.amounts import format_count
from experiments.imagenet.request import Asked
from nas.pairwise.maximum import Best, best_networks
from nas.pairwise.model import Predictor
from search_spaces.catalog import catalog_spec
from search_spaces.codec import stage_to_string
from search_spaces.membership import encode_spec

__all__ = ["answer_document", "base_name"]

Array = np.ndarray
PUBLISHED = ("efficientnet_b0", "mnasnet_a1", "mnasnet_b1")
TYPICAL_DRAWS = 200  # random networks, to say how far apart measured ones are


def base_name(asked: Asked) -> str:
    """Names the network that a search finds."""
    space = asked.loaded.predictor.space.name
    return f"{space}_{format_count(asked.objective.target_macs)}"


def answer_document(asked: Asked) -> tuple[dict[str, Any], Best]:
    """Returns what was found, with deviations, proof and the range of what was measured."""
    predictor = asked.loaded.predictor
    best = best_networks(predictor, asked.objective, count=asked.count)
    top = _rows(asked, best.encoded)
    spec = predictor.space.decode_many(best.encoded[:1])[0]
    inside = {name: encode_spec(predictor.space, catalog_spec(name)) for name in PUBLISHED}
    within = {name: encoded for name, encoded in inside.items() if encoded is not None}
    published = _rows(asked, np.array(list(within.values()), dtype=np.int64))
    document = {
        "best": {
            "name": base_name(asked),
            **top[0],
            "resolution": spec.resolution,
            "blocks": [stage_to_string(stage) for stage in spec.stages],
        },
        "published": [{"name": name, **row} for name, row in zip(within, published, strict=True)],
        "outside_the_space": [name for name in inside if name not in within],
        "objective": {
            "name": asked.objective.name,
            "target_macs": asked.objective.target_macs,
            "exponent": asked.objective.resolved_exponent,
        },
        "maximum": {
            "space": predictor.space.name,
            "networks": predictor.space.size,
            "proven": best.proven,
            "climbs": best.climbs,
            "climbs_that_reached_it": best.reached,
            "partial_networks_looked_at": best.looked_at,
        },
        "measured": _measured(predictor, best.encoded[0], top[0]),
        "source": asdict(asked.loaded.source),
        "top": top,
    }
    return document, best


def _rows(asked: Asked, encoded: Array) -> list[dict[str, Any]]:
    """Returns accuracy, deviation, cost and reward of encoded networks."""
    if not len(encoded):
        return []
    predictor = asked.loaded.predictor
    macs, params = predictor.space.tables.count(encoded)
    columns = (predictor.accuracy(encoded), predictor.deviation(encoded), macs, params)
    return [
        {
            "accuracy": accuracy,
            "deviation": deviation,
            "macs": count,
            "params": size,
            "reward": asked.objective(accuracy, count),
        }
        for accuracy, deviation, count, size in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _measured(predictor: Predictor, pick: Array, found: dict[str, Any]) -> dict[str, Any]:
    """Returns the range of the measured networks, how far outside it the pick is, the nearest."""
    fitted = predictor.fitted
    macs, params = predictor.space.tables.count(fitted.encoded)
    apart = (fitted.encoded != pick).sum(axis=1)
    nearest = int(apart.argmin())
    drawn = predictor.space.sample_encoded(np.random.default_rng(0), TYPICAL_DRAWS)
    typical = [int((fitted.encoded != row).sum(axis=1).min()) for row in drawn]
    ranges: dict[str, list[float]] = {
        "macs": [int(macs.min()), int(macs.max())],
        "params": [int(params.min()), int(params.max())],
        "accuracy": [float(fitted.accuracy.min()), float(fitted.accuracy.max())],
    }
    return {
        "networks": len(fitted.accuracy),
        **ranges,
        "outside": {name: _outside(found[name], *ends) for name, ends in ranges.items()},
        "choices": len(pick),
        "nearest": {
            "choices_apart": int(apart[nearest]),
            "choices_apart_of_a_random_network": float(np.median(typical)),
            "macs": int(macs[nearest]),
            "accuracy": float(fitted.accuracy[nearest]),
        },
    }


def _outside(value: float, low: float, high: float) -> float:
    """Returns by which share of an end a value is below (negative) or above a range; 0 inside."""
    return value / low - 1 if value < low else value / high - 1 if value > high else 0.0
