import itertools

import numpy as np
import pytest

from search_spaces.chains import Chains
from search_spaces.codec import stage_from_string, stages_from_strings
from search_spaces.latency import piece_keys
from search_spaces.measured import MEASURED
from search_spaces.space import OpOptions, SearchSpace, StageOptions
from search_spaces.spaces import SPACES, make_space
from search_spaces.spec import ArchSpec

NAMES = [*SPACES, *MEASURED]


def every_spec(space: SearchSpace) -> list[ArchSpec]:
    sizes = [range(len(choice.options)) for choice in space.choices]
    combinations = itertools.product(*sizes)
    return [space.decode(space.values(np.array(indices))) for indices in combinations]


def every_spec_with_stages(space: SearchSpace) -> list[ArchSpec]:
    found = []
    for values in itertools.product(*(choice.options for choice in space.choices)):
        chosen = dict(zip((choice.name for choice in space.choices), values, strict=True))
        if set(values) != {"none"}:
            found.append(space.decode(chosen))
    return found


def tiny_space() -> SearchSpace:
    skeleton = ArchSpec(
        "tiny", 16, stages_from_strings("ir_r1_k3_s2_e1_c16 ir_r2_k3_s1_e1_c24"), stem_ch=8
    )
    options = StageOptions(kinds=("mbconv", "fused"), expands=(1, 2), layers=(0, 1))
    return SearchSpace("tiny", skeleton, (options, options))


def skipping_space() -> SearchSpace:
    skeleton = ArchSpec("skip", 16, stages_from_strings("ir_r1_k3_s1_e2_c16 ir_r1_k3_s1_e2_c24"))
    block = stage_from_string("ir_r1_k3_s1_e2_c8")
    options = OpOptions((("none", None), ("block", block)))
    return SearchSpace("skip", skeleton, (options, options))


@pytest.mark.parametrize(
    "space", [tiny_space(), make_space("nas_bench_macro", image_size=32, num_classes=10)],
    ids=["tiny", "nas_bench_macro"],
)  # fmt: skip
def test_the_pieces_are_exactly_those_of_all_networks(space: SearchSpace) -> None:
    keys = {key for spec in every_spec(space) for key in piece_keys(spec)}
    assert Chains(space).keys == keys


@pytest.mark.parametrize("name", NAMES)
def test_no_network_of_a_space_has_another_piece(name: str) -> None:
    space = make_space(name, image_size=64, num_classes=10)
    keys = Chains(space).keys
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert keys.issuperset(piece_keys(space.decode(space.sample(rng))))


@pytest.mark.parametrize("name", NAMES)
def test_few_chains_meet_every_piece(name: str) -> None:
    space = make_space(name, image_size=224, num_classes=1000)
    chains = Chains(space)
    assert chains.unmet() == len(chains.keys)
    met: set[str] = set()
    for _ in range(2 * chains.length):
        met.update(piece_keys(chains.make()))
    assert met == chains.keys
    assert chains.unmet() == 0
    assert chains.fewest() >= 1


def test_chains_go_on_where_others_stopped() -> None:
    space = make_space("mixed", image_size=64, num_classes=10)
    first = Chains(space)
    for _ in range(50):
        first.make()
    second = Chains(space, first.visits)
    assert second.make() == first.make()
    assert second.unmet() == first.unmet()


def test_stages_that_may_be_left_out_are_met_with_every_width() -> None:
    space = skipping_space()
    chains = Chains(space)
    keys = {key for spec in every_spec_with_stages(space) for key in piece_keys(spec)}
    assert chains.keys == keys
    for _ in range(8):
        assert chains.make().stages
    assert chains.unmet() == 0
