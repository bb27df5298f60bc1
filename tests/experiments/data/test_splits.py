"""Splits and limits: disjoint, complete, stratified, seeded and proportional."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data.image_data import IndexArray, Part, split_digest
from experiments.data.pool import PartArray, Pool
from experiments.data.splits import Split, apportion, choose, split
from tests.experiments.data.helpers import MadeReader, error_of


def make_pool(*counts: list[int]) -> Pool:
    """Returns a pool with so many items by class for each part in turn."""
    parts = [np.full(sum(row), part, np.int8) for part, row in enumerate(counts)]
    labels = [np.repeat(np.arange(len(row), dtype=np.int64), row) for row in counts]
    names = tuple(f"c{number}" for number in range(len(counts[0])))
    return Pool("made", np.concatenate(parts), np.concatenate(labels), names, MadeReader())


def split_pool(pool: Pool, *, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> Split:
    return split(
        pool.labels,
        pool.parts,
        pool.classes,
        validation_fraction=validation,
        test_fraction=test,
        seed=seed,
    )


def class_counts(pool: Pool, indices: IndexArray) -> list[int]:
    counts: list[int] = np.bincount(pool.labels[indices], minlength=len(pool.classes)).tolist()
    return counts


def all_indices(parts: Split) -> IndexArray:
    return np.concatenate([parts.train, parts.validation, parts.test])


def test_carves_exact_stratified_fractions() -> None:
    pool = make_pool([100, 50, 10])
    parts = split_pool(pool)
    assert class_counts(pool, parts.test) == [20, 10, 2]
    assert class_counts(pool, parts.validation) == [16, 8, 2]
    assert len(parts.validation) == round(128 * 0.2)
    assert class_counts(pool, parts.train) == [64, 32, 6]


def test_small_classes_reach_every_part() -> None:
    pool = make_pool([1000, 3, 3])
    parts = split_pool(pool)
    assert len(parts.test) == round(1006 * 0.2)
    for indices in (parts.train, parts.validation, parts.test):
        assert min(class_counts(pool, indices)) >= 1


def test_source_parts_are_used_as_they_are() -> None:
    pool = make_pool([30, 30], [5, 6], [7, 8])
    parts = split_pool(pool)
    assert np.array_equal(parts.validation, np.flatnonzero(pool.parts == Part.VALIDATION))
    assert np.array_equal(parts.test, np.flatnonzero(pool.parts == Part.TEST))
    assert len(parts.train) == 60


def test_only_the_missing_part_is_carved_and_from_train() -> None:
    with_test = make_pool([30, 30], [0, 0], [7, 8])
    parts = split_pool(with_test)
    assert len(parts.test) == 15
    assert class_counts(with_test, parts.validation) == [6, 6]
    with_validation = make_pool([30, 30], [5, 6])
    parts = split_pool(with_validation)
    assert class_counts(with_validation, parts.validation) == [5, 6]
    assert class_counts(with_validation, parts.test) == [6, 6]


def test_single_image_of_a_class_stays_in_train() -> None:
    pool = make_pool([10, 1], [0, 0], [2, 2])
    parts = split_pool(pool)
    assert class_counts(pool, parts.train)[1] == 1
    assert class_counts(pool, parts.validation)[1] == 0


def test_nothing_to_carve_from() -> None:
    pool = make_pool([1, 1], [0, 0], [2, 2])
    assert "validation" in error_of(lambda: split_pool(pool))


def test_too_small_class_is_named() -> None:
    message = error_of(lambda: split_pool(make_pool([10, 2, 10])))
    assert "'c1' has 2 images" in message


def test_seed_decides() -> None:
    pool = make_pool([40, 40])
    first, again, other = (split_pool(pool, seed=seed) for seed in (1, 1, 2))
    digests = [split_digest(s.train, s.validation, s.test) for s in (first, again, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("value", [0.0, 0.9, 1.0, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_fraction_out_of_range(value: float, name: str) -> None:
    given_fractions = {"validation": 0.2, "test": 0.2, name: value}
    message = error_of(
        lambda: split_pool(
            make_pool([9, 9]),
            validation=given_fractions["validation"],
            test=given_fractions["test"],
        )
    )
    assert f"{name}_fraction is {value}" in message


counts_by_class = st.lists(st.integers(3, 60), min_size=2, max_size=8)
fractions = st.floats(0.01, 0.89)


@settings(max_examples=80, deadline=None)
@given(counts_by_class, fractions, fractions, st.integers(0, 1000))
def test_any_split_is_disjoint_complete_and_in_every_class(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    pool = make_pool(counts)
    parts = split_pool(pool, validation=validation, test=test, seed=seed)
    assert np.array_equal(np.sort(all_indices(parts)), np.arange(sum(counts)))
    for indices in (parts.train, parts.validation, parts.test):
        assert np.array_equal(indices, np.sort(indices))
        assert indices.dtype == np.int64
        assert min(class_counts(pool, indices)) >= 1
    most = sum(counts) - 2 * len(counts)
    assert len(parts.test) == min(max(round(sum(counts) * test), len(counts)), most)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 400))
def test_apportion_sums_and_keeps_quota(weights: list[int], total: int) -> None:
    table = np.array(weights, dtype=np.int64)
    total = min(total, int(table.sum()))
    shares = apportion(total, table, low=np.zeros_like(table), high=table)
    assert shares.sum() == total
    assert (np.abs(shares - total * table / table.sum()) < 1).all()


def test_limit_is_in_proportion() -> None:
    pool = make_pool([5000] * 10, [0] * 10, [1000] * 10)
    chosen = choose(pool, 5000, seed=0)
    assert len(chosen) == len(set(chosen.tolist())) == 5000
    assert np.bincount(pool.parts[chosen], minlength=3).tolist() == [4167, 0, 833]
    counts = class_counts(pool, chosen)
    assert max(counts) - min(counts) <= 2


def test_limit_is_seeded_and_nested() -> None:
    pool = make_pool([50, 50])
    small, same, other = (choose(pool, 20, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(small, same)
    assert not np.array_equal(small, other)
    assert set(small.tolist()) < set(choose(pool, 40, seed=3).tolist())


def test_limit_of_everything() -> None:
    pool = make_pool([5, 5])
    for limit in (None, 10, 99):
        assert np.array_equal(choose(pool, limit, seed=0), np.arange(10))


@pytest.mark.parametrize("limit", [0, -5, 29])
def test_limit_too_small(limit: int) -> None:
    pool = make_pool([100] * 10)
    message = error_of(lambda: choose(pool, limit, seed=0))
    assert f"limit is {limit}" in message
    assert "30 or more" in message


def least_parts() -> list[tuple[list[int], ...]]:
    return [
        ([100] * 10,),
        ([100] * 10, [0] * 10, [900] * 10),
        ([100] * 10, [900] * 10),
        ([20] * 10, [900] * 10, [900] * 10),
    ]


@pytest.mark.parametrize("counts", least_parts())
def test_least_limit_fills_every_part(counts: tuple[list[int], ...]) -> None:
    pool = make_pool(*counts)
    chosen = choose(pool, 30, seed=0)
    assert len(chosen) == 30
    parts: PartArray = pool.parts[chosen]
    done = split(
        pool.labels[chosen],
        parts,
        pool.classes,
        validation_fraction=0.2,
        test_fraction=0.2,
        seed=0,
    )
    for indices in (done.train, done.validation, done.test):
        assert np.bincount(pool.labels[chosen][indices]).tolist() == [1] * 10


def test_pool_needs_two_classes_with_train_images() -> None:
    assert "only the class 'c0'" in error_of(lambda: make_pool([5]))
    assert "'c1' has no images" in error_of(lambda: make_pool([5, 0]))
    message = error_of(lambda: make_pool([5, 0], [0, 0], [1, 2]))
    assert "'c1' has 2 images in test and none in train" in message
    assert "no images" in error_of(lambda: make_pool([0, 0]))
