import math

import numpy as np
import pytest

from nas.costs import COUNTED, MEASURED, UNITS, Costing, amount
from nas.objective import Objective, exact_factor
from search_spaces.additive import latency_sums
from search_spaces.chains import Chains
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.latency import BlockTable
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec
from tests.nas.fakes import tiny_space, wide_space

SPACES = ("mixed", "fused", "nas_bench_macro", "accel_nasbench")


def space_called(name: str) -> SearchSpace:
    if name == "accel_nasbench":
        return make_space(name, image_size=224, num_classes=1000)
    return make_space(name, image_size=32, num_classes=10)


def seconds_table(space: SearchSpace) -> BlockTable:
    keys = sorted(Chains(space).keys)
    return BlockTable({key: 1e-4 * (n + 1) for n, key in enumerate(keys)}, scale=1.1, offset=1e-3)


@pytest.mark.parametrize("name", SPACES)
def test_encoded_costs_are_those_of_each_network(name: str) -> None:
    space = space_called(name)
    table = seconds_table(space)
    costing = Costing(space, batch=3, tables={"latency": latency_sums(space, table)})
    rows = space.sample_encoded(np.random.default_rng(0), 50)
    names = ("params", "latency", "train_memory", "macs")
    found = costing.encoded(rows, *names)
    assert found.shape == (50, 4)
    for row, spec in zip(found.tolist(), space.decode_many(rows), strict=True):
        counted = cost(spec, batch=3)
        wanted = [counted.params, table.predict(spec), counted.train_memory_bytes, counted.macs]
        assert row == pytest.approx(wanted, rel=1e-12)
    for place, one in enumerate(names):
        reach = costing.reach(one)
        assert reach is not None
        assert reach[0] <= found[:, place].min() <= found[:, place].max() <= reach[1] * (1 + 1e-9)


def test_what_a_space_reaches_is_reached() -> None:
    space = tiny_space()
    costing = Costing(space, batch=2)
    rows = np.array(np.meshgrid(*(range(len(c.options)) for c in space.choices))).reshape(2, -1).T
    for name in COUNTED:
        every = costing.encoded(rows, name)
        assert costing.reach(name) == (every.min(), every.max())


def test_a_network_is_allowed_where_it_keeps_every_limit() -> None:
    space = wide_space()
    rows = space.sample_encoded(np.random.default_rng(1), 400)
    free = Costing(space)
    macs, params = free.encoded(rows, "macs", "params").T
    limits = {"macs": float(np.median(macs)), "params": float(np.median(params))}
    costing = Costing(space, limits=limits)
    wanted = (macs <= limits["macs"]) & (params <= limits["params"])
    assert 0 < wanted.sum() < 400
    assert costing.allowed(rows).tolist() == wanted.tolist()
    assert free.allowed(rows).all()
    for row, fine in zip(rows[:20], wanted, strict=False):
        costs, over = costing.of(space.decode(space.values(row)))
        assert (over is None) == fine
        assert set(costs) == set(COUNTED)
    rng = np.random.default_rng(2)
    assert all(costing.of(space.decode(costing.draw(rng)))[1] is None for _ in range(20))


def test_draws_are_of_every_allowed_network() -> None:
    space = tiny_space()
    rows = np.unique(space.sample_encoded(np.random.default_rng(0), 100), axis=0)
    params = Costing(space).encoded(rows, "params")[:, 0]
    costing = Costing(space, limits={"params": float(np.unique(params)[1])})
    wanted = {tuple(row) for row in rows[costing.allowed(rows)].tolist()}
    rng = np.random.default_rng(0)
    drawn = {tuple(space.encode(costing.draw(rng)).tolist()) for _ in range(60)}
    assert drawn == wanted != {tuple(row) for row in rows.tolist()}


def test_nothing_is_measured_of_what_a_count_rules_out() -> None:
    space, timed = wide_space(), list[ArchSpec]()

    def latency(spec: ArchSpec) -> float:
        timed.append(spec)
        return 0.002

    spec = space.decode(space.sample(np.random.default_rng(0)))
    macs = cost(spec).macs
    meters = {"latency": latency}
    costs, over = Costing(space, meters=meters, limits={"macs": macs - 1}).of(spec)
    assert (timed, "latency" in costs) == ([], False)
    assert over == f"{amount('macs', macs)} is over the limit of {amount('macs', macs - 1)}"
    costs, over = Costing(space, meters=meters, limits={"macs": macs, "latency": 0.001}).of(spec)
    assert len(timed) == 1
    assert costs["latency"] == 0.002
    assert over == "latency 2 ms is over the limit of latency 1 ms"
    assert Costing(space, meters=meters, limits={"latency": 0.002}).of(spec)[1] is None
    broken = Costing(space, meters={"latency": lambda _: math.nan}, limits={"latency": 1.0})
    assert broken.of(spec)[1] is not None


def test_amounts_are_written_with_their_units() -> None:
    assert set(UNITS) == {*COUNTED, *MEASURED}
    assert amount("step_time", 0.0125) == "step time 12.5 ms"
    assert amount("train_memory", 3 * 2**20) == "train memory 3 MiB"
    assert amount("params", 2.5e6) == "params 2.5M"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"latency": 1.0}, "latency is limited, and nothing measures it"),
        ({"speed": 1.0}, "no cost is called 'speed'"),
        ({"param": 1.0}, "did you mean 'params'"),
    ],
)
def test_a_limit_that_nothing_can_keep_is_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Costing(wide_space(), limits=limits)


def test_limits_and_targets_out_of_reach_are_refused_with_the_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = wide_space()
    low, high = Costing(space).reach("params") or (0, 0)
    with pytest.raises(InputError, match=r"has params [0-9,]+ or less; it reaches [0-9,]+ to 2"):
        Costing(space, limits={"params": low - 1}).check("macs", None)
    Costing(space, limits={"params": 10 * high}).check("macs", None)
    Costing(space).check("params", (low + high) / 2)
    with pytest.raises(InputError, match=r"has params .*M; it reaches"):
        Costing(space).check("params", high + 1)
    monkeypatch.setattr("nas.costs.MOST_DRAWS", 2**15)
    least = {name: (Costing(space).reach(name) or (0, 0))[0] for name in ("params", "macs")}
    both = Costing(space, limits=least)
    with pytest.raises(InputError, match="none of 32,768 random networks is within params"):
        both.check("macs", None)


def test_a_table_that_lacks_a_piece_of_the_space_is_refused() -> None:
    table = seconds_table(wide_space())
    key = max(table.seconds)
    with pytest.raises(InputError, match=r"no time for .* of space 'mixed' at .* lacks 1 pieces"):
        latency_sums(wide_space(), BlockTable({k: v for k, v in table.seconds.items() if k != key}))


def test_the_factor_of_a_reward_is_known_where_its_costs_are() -> None:
    space = wide_space()
    table = seconds_table(space)
    meters = {"latency": table.predict, "step_time": table.predict}
    timed = Costing(space, batch=4, meters=meters)
    known = Costing(space, meters=meters, tables={"step_time": latency_sums(space, table)})
    rows = space.sample_encoded(np.random.default_rng(0), 20)
    for objective, costing in (
        (Objective("soft", 1e5, cost="params"), timed),
        (Objective("hard", 1e7, cost="train_memory"), timed),
        (Objective("v2", 0.01, cost="step_time"), known),
    ):
        factor = exact_factor(objective, costing)
        assert factor is not None
        wanted = [objective.reward(0.5, costing.of(spec)[0]) for spec in space.decode_many(rows)]
        assert 0.5 * factor(rows) == pytest.approx(np.array(wanted))
    own = Objective("mine:own", plugin=lambda accuracy, costs: accuracy)
    slow = Objective("soft", 1, cost="latency")
    for objective in (own, slow, Objective("v2", 1, cost="step_time")):
        assert exact_factor(objective, timed) is None
