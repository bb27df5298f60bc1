"""Which items are used and which part each is in: stratified by class, decided by a seed."""

from dataclasses import dataclass

import numpy as np

from experiments.data.image_data import IndexArray, Part
from experiments.data.pool import PartArray, Pool
from search_spaces.errors import InputError

__all__ = ["Split", "apportion", "check_fraction", "choose", "split", "thin"]

_PARTS_TO_FILL = 3
_LIMIT_STREAM = len(Part)  # beside the streams that are numbered by the part they carve
_THIN_STREAM = _LIMIT_STREAM + 1


@dataclass(frozen=True, eq=False)
class Split:
    """Holds the sorted positions of each part; together they hold every position once."""

    train: IndexArray
    validation: IndexArray
    test: IndexArray


def check_fraction(name: str, value: float) -> None:
    """Raises InputError unless a fraction lies strictly between 0 and 0.9."""
    if not 0 < value < 0.9:
        raise InputError(f"{name} is {value}; it must be above 0 and below 0.9")


def apportion(total: int, weights: IndexArray, *, low: IndexArray, high: IndexArray) -> IndexArray:
    """Returns whole shares (K,) of `total` in proportion to `weights`, each in [low, high].

    Largest remainders first, as in Hamilton's method; the sum is `total` wherever the bounds
    leave room for it, and else the nearest that they do.
    """
    quota = total * weights / weights.sum()
    shares: IndexArray = np.clip(total * weights // weights.sum(), low, high)
    goal = min(max(total, int(low.sum())), int(high.sum()))
    while gap := goal - int(shares.sum()):
        step, room = (1, shares < high) if gap > 0 else (-1, shares > low)
        shares[np.argmax(np.where(room, step * (quota - shares), -np.inf))] += step
    return shares


def choose(pool: Pool, limit: int | None, *, seed: int) -> IndexArray:
    """Returns the sorted items to use: all, or `limit` of them in proportion by part and class.

    A greater limit with the same seed draws from the same order. Each class keeps what its three
    parts need. Raises InputError when the limit is too small for that.
    """
    items = np.arange(len(pool.labels), dtype=np.int64)
    if limit is None:
        return items
    counts = pool.counts
    _check_limit(limit, counts)
    if limit >= len(items):
        return items
    sizes = counts.sum(axis=1)
    needs = np.ones((len(Part), 1), dtype=np.int64)
    needs[Part.TRAIN] = _PARTS_TO_FILL - np.count_nonzero(sizes[1:])  # to be carved from train
    low = np.minimum(counts, needs)
    rng = np.random.default_rng([seed, _LIMIT_STREAM])
    chosen = []
    for part, share in enumerate(apportion(limit, sizes, low=low.sum(axis=1), high=sizes)):
        if sizes[part]:
            shares = apportion(int(share), counts[part], low=low[part], high=counts[part])
            chosen.append(_draw(items[pool.parts == part], pool.labels, shares, rng))
    return np.sort(np.concatenate(chosen))


def split(
    labels: IndexArray,
    parts: PartArray,
    classes: tuple[str, ...],
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> Split:
    """Returns the source's own parts, with a missing test and then validation carved from train.

    Every class stays in train and enters each carved part that it has enough images for.
    Raises InputError when a class has too few images or a carved part would be empty.
    """
    check_fraction("validation_fraction", validation_fraction)
    check_fraction("test_fraction", test_fraction)
    parts = parts.copy()
    fractions = {Part.TEST: test_fraction, Part.VALIDATION: validation_fraction}
    missing = [part for part in fractions if not (parts == part).any()]
    if len(missing) == 2:
        _check_class_sizes(labels, classes)
    for carved, part in enumerate(missing):
        reserve = len(missing) - carved  # one for train, one for each part still to be carved
        rng = np.random.default_rng([seed, part])
        parts[_carve(labels, parts, fractions[part], reserve, rng)] = part
        if not (parts == part).any():
            raise InputError(
                f"no class has enough train images for a {part.name.lower()} part: "
                "two or more of one class are needed"
            )
    return Split(*(np.flatnonzero(parts == part).astype(np.int64) for part in Part))


def thin(members: IndexArray, labels: IndexArray, count: int, *, seed: int) -> IndexArray:
    """Returns `count` of the sorted members, in proportion by class, at least one of each.

    `labels` are of all images. More of them with the same seed include the fewer ones, as far as
    the rounding of the classes' shares lets them.
    """
    counts = np.bincount(labels[members])
    shares = apportion(count, counts, low=np.minimum(counts, 1), high=counts)
    return _draw(members, labels, shares, np.random.default_rng([seed, _THIN_STREAM]))


def _carve(
    labels: IndexArray,
    parts: PartArray,
    fraction: float,
    reserve: int,
    rng: np.random.Generator,
) -> IndexArray:
    members = np.flatnonzero(parts == Part.TRAIN)
    counts = np.bincount(labels[members])
    high = np.maximum(counts - reserve, 0)
    total = round(len(members) * fraction)
    shares = apportion(total, counts, low=np.minimum(high, 1), high=high)
    return _draw(members, labels, shares, rng)


def _draw(
    members: IndexArray, labels: IndexArray, shares: IndexArray, rng: np.random.Generator
) -> IndexArray:
    # Random keys rather than a permutation: every NumPy draws the same uniform numbers.
    order = members[np.lexsort((rng.random(len(members)), labels[members]))]
    sorted_labels = labels[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_labels, sorted_labels)
    return np.sort(order[rank < shares[sorted_labels]])


def _check_limit(limit: int, counts: IndexArray) -> None:
    least = int(np.minimum(counts.sum(axis=0), _PARTS_TO_FILL).sum())
    if limit < least:
        raise InputError(
            f"limit is {limit}; it must be {least} or more: "
            f"{_PARTS_TO_FILL} images for each of {counts.shape[1]} classes"
        )


def _check_class_sizes(labels: IndexArray, classes: tuple[str, ...]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    smallest = int(np.argmin(counts))
    if counts[smallest] < _PARTS_TO_FILL:
        raise InputError(
            f"class '{classes[smallest]}' has {counts[smallest]} images; {_PARTS_TO_FILL} are "
            "needed, one each for train, validation and test"
        )
