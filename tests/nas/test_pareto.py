import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.pareto import hypervolume, hypervolumes, pareto_front

Point = tuple[int, int]  # (gain, cost); few values, so that ties are common
points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=25)


def gain(point: Point) -> float:
    return point[0]


def cost(point: Point) -> float:
    return point[1]


def beats(one: Point, other: Point) -> bool:
    return gain(one) >= gain(other) and cost(one) <= cost(other) and one != other


@given(points)
def test_no_member_is_beaten_and_every_other_is(items: list[Point]) -> None:
    front = pareto_front(items, gain=gain, cost=cost)
    assert set(front) <= set(items)
    assert not any(beats(item, member) for member in front for item in items)
    for item in items:
        assert item in front or any(beats(member, item) for member in front)


@given(points)
def test_the_front_is_cheapest_first_without_repeats(items: list[Point]) -> None:
    front = pareto_front(items, gain=gain, cost=cost)
    assert front == sorted(set(front), key=cost)


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(items: list[Point], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pareto_front(items, gain=gain, cost=cost) == pareto_front(shuffled, gain=gain, cost=cost)


def test_a_front_worked_out_by_hand() -> None:
    items = [(5, 9), (3, 2), (4, 4), (4, 3), (1, 1), (5, 10)]
    assert pareto_front(items, gain=gain, cost=cost) == [(1, 1), (3, 2), (4, 3), (5, 9)]
    assert pareto_front([], gain=gain, cost=cost) == []


def area(items: list[Point], least_gain: float = 0, most_cost: float = 10) -> float:
    return hypervolume(items, gain=gain, cost=cost, least_gain=least_gain, most_cost=most_cost)


def test_a_hypervolume_worked_out_by_hand() -> None:
    # (gain, cost): the front is (1, 1), (3, 2), (4, 3), (5, 9); (4, 4) and (2, 5) lie behind it.
    items = [(5, 9), (3, 2), (4, 4), (4, 3), (1, 1), (2, 5)]
    assert area(items) == 1 * (2 - 1) + 3 * (3 - 2) + 4 * (9 - 3) + 5 * (10 - 9) == 33
    assert area(items, least_gain=1) == 0 + 2 * 1 + 3 * 6 + 4 * 1
    assert area(items, most_cost=3) == 1 * 1 + 3 * 1  # what costs 3 adds nothing
    assert area([]) == area([(0, 1)]) == area([(3, 10)]) == 0


@given(points)
def test_a_hypervolume_is_the_number_of_cells_that_are_dominated(items: list[Point]) -> None:
    cells = {(g, c) for gained, paid in items for g in range(gained) for c in range(paid, 7)}
    assert area(items, most_cost=7) == len(cells)


@given(points)
def test_hypervolumes_are_those_of_the_items_so_far(items: list[Point]) -> None:
    found = hypervolumes(items, gain=gain, cost=cost, least_gain=0, most_cost=7)
    assert found == pytest.approx([area(items[: n + 1], most_cost=7) for n in range(len(items))])
    assert found == sorted(found)
