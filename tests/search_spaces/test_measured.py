"""The measured spaces, held to the tables that their authors published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.layers import SqueezeExciteLayer, block_layers
from search_spaces.measured import MACRO_OPS, MEASURED
from search_spaces.network import build
from search_spaces.space import SearchSpace, Value
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

BENCHMARKS = Path(__file__).parents[3] / "shared" / "benchmarks"


def table(name: str) -> pd.DataFrame:
    path = BENCHMARKS / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return pd.read_parquet(path)


def space(name: str) -> SearchSpace:
    return MEASURED[name].make()


def accel_values(row: Any) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for number in range(7):
        prefix = f"block{number}_"
        values[f"stage{number + 1}.kernel"] = int(getattr(row, f"{prefix}k"))
        values[f"stage{number + 1}.expand"] = int(getattr(row, f"{prefix}e"))
        values[f"stage{number + 1}.se"] = 0.25 * int(getattr(row, f"{prefix}se"))
        values[f"stage{number + 1}.layers"] = int(getattr(row, f"{prefix}l")) - 1
    return values


def gates(spec: ArchSpec) -> Iterator[tuple[SqueezeExciteLayer, int]]:
    """Yields each squeeze-excite with the side of what it pools."""
    for blocks, stage in zip(spec.stage_blocks(), cost(spec).stages[1:], strict=False):
        for block in blocks:
            for layer in block_layers(block).path:
                if isinstance(layer, SqueezeExciteLayer):
                    yield layer, stage.side


def accel_macs(spec: ArchSpec) -> int:
    """Counts as that table does.

    Besides convolutions and the classifier: four for each element that a BatchNorm writes; and for
    each channel that is pooled its pixels and one for the division.
    """
    counted, found = cost(spec), tuple(gates(spec))
    normalised = counted.activations - spec.num_classes
    normalised -= sum(gate.ch + gate.squeeze_ch for gate, _ in found)
    side = counted.stages[-2].side
    pooled = spec.feature_ch * (side**2 + 1) + sum(gate.ch * (s**2 + 1) for gate, s in found)
    return counted.macs + 4 * normalised + pooled


def test_every_row_of_accel_nasbench_is_counted_as_there() -> None:
    drawn = space("accel_nasbench")
    rows = table("accel_nasbench")
    assert len(rows) == 5138
    for row in rows.itertuples():
        spec = drawn.decode(accel_values(row))
        assert cost(spec).params == round(float(row.params) * 1e6)  # type: ignore[arg-type]
        assert accel_macs(spec) == round(float(row.macs) * 1e6)  # type: ignore[arg-type]


def test_every_row_of_nas_bench_macro_is_counted_as_there() -> None:
    drawn = space("nas_bench_macro")
    rows = table("nas_bench_macro")
    assert len(rows) == drawn.size == 6561
    for row in rows.itertuples():
        operations = enumerate(str(row.arch), 1)
        spec = drawn.decode({f"stage{n}.op": MACRO_OPS[int(digit)] for n, digit in operations})
        counted = cost(spec)
        assert (counted.params, counted.macs) == (row.params, row.flops)


def everything(drawn: SearchSpace) -> Iterator[ArchSpec]:
    sizes = [len(choice.options) for choice in drawn.choices]
    for indices in np.ndindex(*sizes):
        yield drawn.decode(drawn.values(np.array(indices)))


def test_an_identity_may_stand_anywhere_inside_its_stage() -> None:
    drawn = space("nas_bench_macro")
    specs = [
        drawn.decode({f"stage{n}.op": MACRO_OPS[int(digit)] for n, digit in enumerate(name, 1)})
        for name in ("22212220", "22212202")
    ]
    assert fingerprint(specs[0]) == fingerprint(specs[1])


def test_sizes_are_those_that_were_published() -> None:
    assert space("accel_nasbench").size == 104_485_552_128
    assert space("nas_bench_macro").size == 6561


@pytest.mark.parametrize("name", MEASURED)
def test_measured_spaces_are_spaces_like_the_others(name: str) -> None:
    own = make_space(name, image_size=8, num_classes=7)
    assert (own.name, own.skeleton.num_classes) == (name, 7)
    assert own.skeleton.resolution == space(name).skeleton.resolution
    small = make_space(name, image_size=8, num_classes=7, resolution=16)
    low, high = small.macs_range
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = small.sample(rng)
        assert small.values(small.encode(values)) == values
        assert low <= cost(small.decode(values)).macs <= high
    spec = small.decode(values)
    assert sum(p.numel() for p in build(spec).parameters()) == cost(spec).params


def test_macs_range_of_nas_bench_macro_is_what_brute_force_finds() -> None:
    drawn = space("nas_bench_macro")
    macs = [cost(spec).macs for spec in everything(drawn)]
    assert drawn.macs_range == (min(macs), max(macs))
