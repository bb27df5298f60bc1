"""Stages made of blocks of which only the widths are known."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import fingerprint, stage_to_string, stages_from_strings
from search_spaces.errors import InputError
from search_spaces.grouping import DIVISOR, BlockWidths, grouped
from search_spaces.layers import block_layers
from search_spaces.spec import ArchSpec, SqueezeSpec
from tests.search_spaces.strategies import arch_specs
from tests.search_spaces.widths import widths_of

SEEN = ("conv", "dsconv", "mbconv", "fused")


def regrouped(spec: ArchSpec) -> ArchSpec:
    widths = [[widths_of(block) for block in stage] for stage in spec.stage_blocks()]
    stages, se = grouped(widths, spec.act, se=spec.se)
    return replace(spec, stages=stages, se=se, expand_divisor=DIVISOR)


@given(spec=arch_specs(), gated=st.booleans())
def test_the_same_layers_come_back(spec: ArchSpec, gated: bool) -> None:
    stages = tuple(
        replace(
            stage,
            skip="none" if stage.skip == "none" else "identity",
            se_ratio=stage.se_ratio if gated else 0,
        )
        for stage in spec.stages
        if stage.kind in SEEN
    )
    assume(stages)
    spec = replace(spec, stages=stages)
    try:
        found = regrouped(spec)
    except InputError:  # one rule for every gate is not always to be found
        assume(False)
    blocks = [block_layers(block) for stage in spec.stage_blocks() for block in stage]
    assert [block_layers(b) for stage in found.stage_blocks() for b in stage] == blocks
    assert fingerprint(found) == fingerprint(spec)


@pytest.mark.parametrize("name", [n for n in CATALOG if not n.startswith("resnet")])
def test_published_networks_have_the_stages_that_were_published(name: str) -> None:
    spec = catalog_spec(name)
    found = regrouped(spec)
    assert fingerprint(found) == fingerprint(spec)
    assert [stage.repeats for stage in found.stages] == [stage.repeats for stage in spec.stages]


@pytest.mark.parametrize(
    "blocks",
    [
        "ir_r3_k5_s2_e2.3_c40_se0.25",
        "ir_r2_k3_s1_e1_c32 er_r2_k3_s2_e1_c24",
        "cn_r2_k3_s1_e1_c32_skip er_r2_k3_s2_e4_c48",
        "ir_r2_k3_s1_e6_c24_noskip",
        "dsa_r2_k3_s2_c64 ds_r1_k3_s1_e1_c16_se0.25",
        "ir_r1_k3_s1_e1_c24_x100 ir_r1_k3_s1_e6_c24",
    ],
)
def test_the_plainest_strings_are_chosen(blocks: str) -> None:
    stages = stages_from_strings(blocks)
    spec = regrouped(ArchSpec("one", 32, stages, stem_ch=32, expand_divisor=DIVISOR))
    assert " ".join(map(stage_to_string, spec.stages)) == blocks


def test_a_rule_is_found_that_makes_the_fewest_stages() -> None:
    # A quarter of the expanded channels, rounded to multiples of 8: no ratio of the input's.
    blocks = [
        BlockWidths("mbconv", 3, 2, 24, 40, "relu", False, expand_ch=72, squeeze_ch=24),
        BlockWidths("mbconv", 3, 1, 40, 40, "relu", True, expand_ch=120, squeeze_ch=32),
    ]
    stages, se = grouped([blocks], "relu", se=SqueezeSpec(gate="hard_sigmoid"))
    assert se == SqueezeSpec("expanded", "divisible", "hard_sigmoid")
    assert [stage_to_string(stage) for stage in stages] == ["ir_r2_k3_s2_e3_c40_se0.25"]


def test_a_gate_wider_than_its_block_is_refused() -> None:
    block = BlockWidths("mbconv", 3, 1, 16, 16, "relu", True, expand_ch=32, squeeze_ch=41)
    with pytest.raises(InputError, match="wider than its block cannot be expressed"):
        grouped([[block]], "relu", se=SqueezeSpec())
