"""Many networks scored, each once, and the best of them as a search's first trials."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, MutableMapping, Sequence

import numpy as np
import torch
from scipy.stats import rankdata

from nas.search import derive_seed
from nas.zero_cost.batch import Batch
from nas.zero_cost.scores import SCORES
from search_spaces.codec import fingerprint
from search_spaces.errors import InputError
from search_spaces.network import Network, build
from search_spaces.space import SearchSpace, Value
from search_spaces.spec import ArchSpec

__all__ = ["WARM_SCORES", "check_scores", "fresh_network", "mean_ranks", "scores_of", "warm_start"]

# One of gradients, one of weights, one of activations. Of networks of about the same MACs they are
# right about both measured spaces, where params, NASWOT alone are right about one of them only.
WARM_SCORES = ("grad_norm", "synflow", "naswot")
REACH = 1.25

Cache = MutableMapping[str, dict[str, float]]
OnScored = Callable[[int], None]


def check_scores(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of scores; raises `InputError` for one that is not known, or for none."""
    found = tuple(names)
    for name in found:
        if name not in SCORES:
            near = difflib.get_close_matches(name, SCORES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"no zero-cost score is called {name!r}; {hint}they are {', '.join(SCORES)}"
            )
    if not found:
        raise InputError(f"no zero-cost score is named; they are {', '.join(SCORES)}")
    return found


def fresh_network(spec: ArchSpec, *, num_classes: int, seed: int = 0) -> Network:
    """Builds a network with weights that depend on the spec and `seed`, and on nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "zero-cost", fingerprint(spec)))
        network = build(spec, num_classes)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def scores_of(
    specs: Sequence[ArchSpec],
    names: Sequence[str],
    batch: Batch,
    *,
    num_classes: int,
    seed: int = 0,
    cache: Cache | None = None,
    on_scored: OnScored | None = None,
) -> np.ndarray:
    """Returns the scores by name of N networks as initialised, float64 (N, names).

    `cache` holds scores by fingerprint and name, of one batch and seed; what it lacks is added.
    A score that is not a number becomes −∞: nothing is known for such a network. `on_scored` is
    told the index of each network once it is done. Raises `InputError` for an unknown name.
    """
    names, cache = check_scores(names), {} if cache is None else cache
    for index, spec in enumerate(specs):
        known = cache.setdefault(fingerprint(spec), {})
        missing = [name for name in names if name not in known]
        if missing:
            network = fresh_network(spec, num_classes=num_classes, seed=seed)
            network.to(batch.images.device)
            for name in missing:
                value = SCORES[name](network, batch)
                known[name] = -math.inf if math.isnan(value) else value
        if on_scored is not None:
            on_scored(index)
    rows = [[cache[fingerprint(spec)][name] for name in names] for spec in specs]
    return np.array(rows, dtype=np.float64).reshape(len(specs), len(names))


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Returns the mean rank over the columns of scores (N, K), from 1 for the lowest: (N,)."""
    ranks: np.ndarray = rankdata(scores, axis=0).mean(axis=1)
    return ranks


def warm_start(
    space: SearchSpace,
    target_macs: float,
    batch: Batch,
    *,
    count: int,
    candidates: int = 100,
    names: Sequence[str] = WARM_SCORES,
    reach: float = REACH,
    seed: int = 0,
    cache: Cache | None = None,
    on_scored: OnScored | None = None,
) -> list[dict[str, Value]]:
    """Returns the choices of the `count` networks that rank best on average by their scores.

    They come of `candidates` random networks, distinct ones, of target/reach to target·reach MACs;
    the best is first. Fewer come back where there are fewer. Raises `InputError` for an unknown
    score or a target out of the space's reach.
    """
    if count < 1 or candidates < count:
        raise InputError(f"{count} warm starts of {candidates} candidates; 1 to all can be chosen")
    space.check_target(target_macs)
    window = space.window(target_macs / reach, target_macs * reach)
    encoded = window.sample(np.random.default_rng(seed), candidates)
    _, first = np.unique(space.canonical(encoded), axis=0, return_index=True)
    encoded = encoded[np.sort(first)]
    scores = scores_of(
        space.decode_many(encoded), names, batch,
        num_classes=space.skeleton.num_classes, seed=seed, cache=cache, on_scored=on_scored,
    )  # fmt: skip
    best = np.argsort(-mean_ranks(scores), kind="stable")[:count]
    return space.values_many(encoded[best])
