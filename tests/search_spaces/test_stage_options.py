from typing import Any

import pytest

from search_spaces.codec import stage_from_string, stage_to_string
from search_spaces.stage_options import StageOptions, combinations

MBCONV = stage_from_string("ir_r2_k3_s2_e4_c24_se0.25")
NOTHING = StageOptions((), (), (), (), (), ())


@pytest.mark.parametrize(
    ("base", "values", "made"),
    [
        ("ir_r2_k3_s2_e4_c24_se0.25", {"kind": "mbconv"}, "ir_r2_k3_s2_e4_c24_se0.25"),
        ("ir_r2_k3_s2_e4_c24_se0.25", {"kind": "conv", "expand": 6}, "cn_r2_k3_s2_c24_skip"),
        ("ir_r2_k3_s2_e4_c24", {"kind": "dsconv", "se": 0.25}, "dsa_r2_k3_s2_c24_se0.25_skip"),
        ("ir_r2_k3_s2_e4_c24", {"kind": "fused", "se": 0.25}, "er_r2_k3_s2_e4_c24"),
        ("er_r2_k3_s2_e4_c24_se0.25", {"kernel": 5}, "er_r2_k5_s2_e4_c24_se0.25"),
        ("ir_r2_k3_s2_e4_c24", {"skip": "pooled"}, "ir_r2_k3_s2_e4_c24_pool"),
        ("ir_r2_k3_s2_e4_c24", {"act": "relu", "kernel": 7}, "ir_r2_k7_s2_e4_c24_nre"),
        ("ir_r2_k3_s2_e4_c24", {"layers": -9}, "ir_r1_k3_s2_e4_c24"),
        ("ir_r2_k3_s2_e4_c24", {"layers": 1, "width": 1.25}, "ir_r3_k3_s2_e4_c32"),
        ("ir_r2_k3_s2_e4_c20", {"width": 1}, "ir_r2_k3_s2_e4_c20"),
        ("ir_r2_k3_s2_e4_c24_x72", {"kernel": 5}, "ir_r2_k5_s2_e4_c24_x72"),
        ("ir_r2_k3_s2_e4_c24_x72", {"expand": 3.0}, "ir_r2_k3_s2_e3_c24"),
        ("bottleneck_r2_k3_s2_e0.25_c64", {"kernel": 5}, "bottleneck_r2_k5_s2_e0.25_c64"),
    ],
)
def test_a_choice_changes_what_it_names_and_the_rest_stays(
    base: str, values: dict[str, Any], made: str
) -> None:
    stage = NOTHING.apply(stage_from_string(base), values)
    assert stage_to_string(stage) == made


def test_what_is_not_listed_is_no_choice() -> None:
    assert NOTHING.table() == {}
    assert combinations(NOTHING, MBCONV) == (MBCONV,)


def test_combinations_change_the_last_choice_fastest() -> None:
    options = StageOptions(("conv", "mbconv"), (3,), (3, 6), (), (), ())
    made = [stage_to_string(stage) for stage in combinations(options, MBCONV) if stage]
    assert made == [
        "cn_r2_k3_s2_c24_skip",
        "cn_r2_k3_s2_c24_skip",
        "ir_r2_k3_s2_e3_c24_se0.25",
        "ir_r2_k3_s2_e6_c24_se0.25",
    ]
