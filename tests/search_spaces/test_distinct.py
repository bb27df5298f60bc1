"""How many networks a space has, and which choices build the same, held to their fingerprints."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.codec import fingerprint, stages_from_strings
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import SPACES, make_space
from search_spaces.spec import ArchSpec, BlockKind, Skip
from search_spaces.stage_options import OpOptions, StageOptions

MERGING = "ir_r2_k3_s1_e3_c16 ir_r2_k3_s1_e3_c16 ir_r1_k3_s2_e3_c16 ir_r2_k3_s1_e3_c8"


def on(blocks: str, *options: StageOptions | OpOptions) -> SearchSpace:
    stages = stages_from_strings(blocks)
    skeleton = ArchSpec("hand", resolution=9, stages=stages, stem_ch=16, head_ch=24)
    return SearchSpace("hand", skeleton, options * (len(stages) // len(options)))


def layered(*layers: int) -> StageOptions:
    return StageOptions(("mbconv",), (3,), (3, 6), (0,), layers, (1,))


def everything(space: SearchSpace) -> np.ndarray:
    return np.array(list(np.ndindex(*(len(choice.options) for choice in space.choices))))


def assert_told_apart(space: SearchSpace) -> None:
    rows = everything(space)
    names = [fingerprint(spec) for spec in space.decode_many(rows)]
    assert space.networks == len(set(names))
    canonical = space.canonical(rows)
    firsts: dict[str, list[int]] = {}
    for name, row in zip(names, rows.tolist(), strict=True):  # the rows are in order
        firsts.setdefault(name, row)
    assert canonical.dtype == np.int64
    assert canonical.tolist() == [firsts[name] for name in names]
    assert_same_keys(space, rows, names)


def assert_same_keys(space: SearchSpace, rows: np.ndarray, names: list[str]) -> None:
    """Holds keys to being equal where, and only where, the networks are."""
    keys = space.network_keys(rows).tolist()
    assert len(set(zip(names, keys, strict=True))) == len(set(names)) == len(set(keys))


SPECIMENS = {
    "what a kind cannot have falls away": on(
        "ir_r1_k3_s2_e3_c16 ir_r2_k3_s1_e3_c24",
        StageOptions(("conv", "dsconv", "fused", "mbconv"), (3,), (1, 3), (0, 0.25), (0, 1), (1,)),
    ),
    "skips that come to the same": on(
        "ir_r1_k3_s2_e3_c16 ir_r1_k3_s1_e3_c16 ir_r1_k3_s1_e3_c24",
        StageOptions(("mbconv",), (3,), (3,), (0,), (0, 1), (1,), ("pooled", "identity", "none")),
    ),
    "blocks that may be in several stages": on(MERGING, layered(-1, 0, 1)),
    "widths that meet": on(
        "ir_r2_k3_s1_e3_c16 ir_r2_k3_s1_e3_c32 ir_r2_k3_s1_e3_c64",
        StageOptions(("mbconv",), (3,), (3,), (0,), (-1, 0, 1), (0.5, 1, 2)),
    ),
    "layers that are clipped": on("ir_r1_k3_s1_e3_c16 ir_r1_k3_s1_e3_c16", layered(-2, -1, 0, 1)),
    "identities": on(
        "ir_r1_k3_s2_e3_c16 ir_r1_k3_s1_e3_c16 ir_r1_k3_s1_e3_c16 ir_r1_k3_s1_e3_c16",
        *MEASURED["nas_bench_macro"].make().options[:2],
        *MEASURED["nas_bench_macro"].make().options[1:3],
    ),
    "nas_bench_macro": MEASURED["nas_bench_macro"].make(),
}


@pytest.mark.parametrize("name", SPECIMENS)
def test_networks_are_told_apart_as_fingerprints_do(name: str) -> None:
    assert_told_apart(SPECIMENS[name])
    assert SPECIMENS[name].networks < SPECIMENS[name].size


def test_a_space_without_choices_is_one_network() -> None:
    space = on("ir_r1_k3_s1_e3_c16", StageOptions((), (), (), (), (), ()))
    assert (space.size, space.networks, space.choices) == (1, 1, ())
    assert space.decode({}).stages == space.skeleton.stages


@given(data=st.data())
def test_networks_of_any_small_space_are_told_apart(data: st.DataObject) -> None:
    def some(options: list[Any], least: int = 1) -> tuple[Any, ...]:
        lists = st.lists(st.sampled_from(options), min_size=least, max_size=2, unique=True)
        return tuple(data.draw(lists))

    kinds: list[BlockKind] = ["conv", "dsconv", "mbconv", "fused"]
    skips: list[Skip] = ["identity", "none", "pooled"]
    widths = data.draw(st.lists(st.sampled_from([16, 32]), min_size=1, max_size=3))
    strides = [data.draw(st.sampled_from([1, 1, 2])) for _ in widths]
    options = [
        StageOptions(
            some(list(kinds)), (3,), some([1, 3]), some([0, 0.25], 0), some([-1, 0, 1]),
            some([0.5, 1]), some(list(skips), 0),
        )
        for _ in widths
    ]  # fmt: skip
    blocks = " ".join(
        f"ir_r1_k3_s{stride}_e3_c{width}" for stride, width in zip(strides, widths, strict=True)
    )
    space = SearchSpace("any", on(blocks, layered(0)).skeleton, tuple(options))
    if 1 < space.size <= 1000:
        assert_told_apart(space)


@pytest.mark.parametrize(
    ("name", "networks"), [("accel_nasbench", 104_485_552_128), ("nas_bench_macro", 3969)]
)
def test_measured_spaces_have_the_published_number_of_networks(name: str, networks: int) -> None:
    assert MEASURED[name].make().networks == networks


def test_networks_of_a_space_too_large_to_list() -> None:
    # Fused-MBConv on `small`, by hand: kernels × expansions × numbers of layers × widths, by stage;
    # ×.75 of the second stage's 24 channels is rounded to 24, and no stage can end as one begins.
    space = make_space("fused", image_size=32, num_classes=10)
    assert space.networks == (2 * 2 * 2 * 2) * (2 * 3 * 3 * 2) * (2 * 3 * 3 * 3) ** 3


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("size", [8, 32, 224])
def test_rows_of_large_spaces_have_a_canonical_form(name: str, size: int) -> None:
    space = make_space(name, image_size=size, num_classes=10)
    rng = np.random.default_rng(0)
    start = space.sample_encoded(rng, 30)
    near = np.concatenate([space.neighbours_encoded(row)[::5] for row in start])
    rows = np.concatenate([start, near])
    canonical = space.canonical(rows)
    names = [fingerprint(spec) for spec in space.decode_many(rows)]
    assert names == [fingerprint(spec) for spec in space.decode_many(canonical)]
    assert np.array_equal(space.canonical(canonical), canonical)
    same = {name: set[tuple[int, ...]]() for name in names}
    for fingerprint_, row in zip(names, canonical.tolist(), strict=True):
        same[fingerprint_].add(tuple(row))
    assert {len(rows) for rows in same.values()} == {1}
    assert_same_keys(space, rows, names)
    assert len(same) < len(rows)
    assert space.networks < space.size


def test_none_have_no_canonical_form() -> None:
    space = make_space("mixed", image_size=8, num_classes=10)
    none = np.zeros((0, len(space.choices)), dtype=np.int64)
    assert space.canonical(none).shape == none.shape
    assert space.network_keys(none).shape == (0,)
