"""How well accuracies are predicted for networks that a fit has not seen; and the fit itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from experiments.bench.timing import Rows
from experiments.imagenet.files import Source, load_predictor, save_predictor
from experiments.imagenet.table import SPACE, read_measured
from experiments.progress import Reporter
from nas.pairwise.fit import fit
from nas.pairwise.model import Predictor
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace

__all__ = ["bench_fit", "bench_predictor"]

Array = np.ndarray
OUT = 0.1  # the share left out in each random split
FEW = 500
COVERED = (("within 1 σ %", 1.0), ("within 1.96 σ %", 1.96))
STEPS = 10_000


def bench_predictor(table: Path | None, splits: int, reporter: Reporter) -> Rows:
    """Holds networks out: each row fits to one part of the table and predicts another.

    Random tenths, then parts that are unlike. Boosted trees on the same choices, log-MACs and
    log-params stand beside it.
    """
    space, encoded, accuracy = _measured(table)
    reporter.plan(splits + 4)
    rows = [_unseen(space, encoded, accuracy, splits, reporter)]
    for what, kept in _parts(space, encoded).items():
        found = _held_out(space, encoded, accuracy, kept, seed=0)
        rows.append({"what": what, "fitted to": int(kept.sum()), **_row([found])})
        reporter.done(1)
    return rows


def _measured(table: Path | None) -> tuple[SearchSpace, Array, Array]:
    """Returns the networks of a table, or without one those in the predictor that ships."""
    if table is not None:
        return MEASURED[SPACE].make(), *read_measured(table)
    shipped = load_predictor().predictor
    return shipped.space, shipped.fitted.encoded, shipped.fitted.accuracy


def bench_fit(table: Path | None, path: Path) -> Rows:
    """Fits to the whole table, writes the predictor, and says how fast it is."""
    space, encoded, accuracy = _measured(table)
    start = time.perf_counter()
    predictor = fit(space, encoded, accuracy)
    seconds = time.perf_counter() - start
    save_predictor(path, predictor, Source())
    rng = np.random.default_rng(0)
    drawn = space.sample_encoded(rng, 1_000_000)
    predictor.accuracy(drawn[:1])
    begin = time.perf_counter()
    predictor.accuracy(drawn)
    rate = len(drawn) / (time.perf_counter() - begin)
    return [
        {
            "what": str(path),
            "fitted to": len(accuracy),
            "seconds": round(seconds, 1),
            "bytes": path.stat().st_size,
            "specs/s": round(rate),
            **_monotone(predictor),
        }
    ]


def _monotone(predictor: Predictor) -> dict[str, float]:
    """Returns in how many of 100 random steps up one choice the prediction rises."""
    space, rng = predictor.space, np.random.default_rng(0)
    found = {}
    for name in ("layers", "expand"):
        columns = [n for n, c in enumerate(space.choices) if c.name.endswith(f".{name}")]
        low = space.sample_encoded(rng, STEPS)
        column = rng.choice(columns, STEPS)
        rows = np.arange(STEPS)
        sizes = np.array([len(choice.options) for choice in space.choices])
        low[rows, column] = np.minimum(low[rows, column], sizes[column] - 2)
        high = low.copy()
        high[rows, column] += 1
        rises = predictor.latent(high) > predictor.latent(low)
        found[f"more {name} is better %"] = round(100 * float(rises.mean()), 1)
    return found


def _parts(space: SearchSpace, encoded: Array) -> dict[str, Array]:
    """Returns which networks are fitted to, by what is then predicted."""
    macs, params = space.tables.count(encoded)
    few = np.random.default_rng(0).permutation(len(encoded)) < FEW
    return {
        f"all but {FEW}": few,
        "the half with more MACs": macs < np.median(macs),
        "the half with fewer MACs": macs >= np.median(macs),
        "the half with more params": params < np.median(params),
    }


def _unseen(
    space: SearchSpace, encoded: Array, accuracy: Array, splits: int, reporter: Reporter
) -> dict[str, Any]:
    found = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(accuracy))
        kept = np.ones(len(accuracy), dtype=bool)
        kept[order[: int(OUT * len(accuracy))]] = False
        found.append(_held_out(space, encoded, accuracy, kept, seed=seed))
        reporter.done(1, f"split {seed + 1}/{splits}: τ {found[-1]['Kendall τ']:.4f}")
    return {"what": f"random tenths, {splits}", "fitted to": int(kept.sum()), **_row(found)}


def _row(found: list[dict[str, float]]) -> dict[str, Any]:
    """Returns the means over splits, and the deviation of the first column."""
    mean = {name: round(float(np.mean([f[name] for f in found])), 4) for name in found[0]}
    taus = [f["Kendall τ"] for f in found]
    deviation = round(float(np.std(taus, ddof=1)), 4) if len(taus) > 1 else None
    return {"Kendall τ": mean.pop("Kendall τ"), "deviation": deviation, **mean}


def _held_out(
    space: SearchSpace, encoded: Array, accuracy: Array, kept: Array, *, seed: int
) -> dict[str, float]:
    """Fits to some networks, and compares what is predicted of the others with measurements."""
    predictor = fit(space, encoded[kept], accuracy[kept], seed=seed)
    predicted, measured = predictor.accuracy(encoded[~kept]), accuracy[~kept]
    errors = np.abs(measured - predicted)
    deviation = predictor.deviation(encoded[~kept])
    trees = _trees(space, encoded, accuracy, kept)
    return {
        "Kendall τ": float(kendalltau(predicted, measured).statistic),
        "trees' τ": float(kendalltau(trees, measured).statistic),
        "RMS error, points": 100 * float(np.sqrt((errors**2).mean())),
        "mean σ, points": 100 * float(deviation.mean()),
        **{name: 100 * float((errors < n * deviation).mean()) for name, n in COVERED},
    }


def _trees(space: SearchSpace, encoded: Array, accuracy: Array, kept: Array) -> Array:
    """Predicts by boosted trees on choices, log-MACs and log-params."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 (slow to import)

    features = np.column_stack([encoded, *np.log(space.tables.count(encoded))])
    trees = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.06, random_state=0)
    predicted: Array = trees.fit(features[kept], accuracy[kept]).predict(features[~kept])
    return predicted
