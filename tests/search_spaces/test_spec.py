"""What the constructors refuse, and what they derive."""

import math
import subprocess
import sys
from collections.abc import Callable

import pytest

from search_spaces.spec import ArchSpec, BlockSpec, SpecError, SqueezeSpec, StageSpec

STAGE = StageSpec("mbconv", 3, 2, 4, 16, 3)


def block(**changes: object) -> BlockSpec:
    values: dict[str, object] = {
        "kind": "mbconv",
        "kernel": 3,
        "stride": 1,
        "in_ch": 8,
        "out_ch": 8,
    }
    return BlockSpec(**(values | changes))  # type: ignore[arg-type]


def arch(**changes: object) -> ArchSpec:
    values: dict[str, object] = {"name": "mine", "resolution": 32, "stages": (STAGE,)}
    return ArchSpec(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (block, "kind", "dense"),
        (block, "kernel", 4),
        (block, "kernel", 33),
        (block, "stride", 3),
        (block, "in_ch", 0),
        (block, "out_ch", 2.0),
        (block, "out_ch", True),
        (block, "expand", 0.5),
        (block, "expand", math.nan),
        (block, "expand", True),
        (block, "se_ratio", 1.5),
        (block, "skip", "pool"),
        (block, "expand_ch", 0),
        (block, "padding", "valid"),
        (arch, "stem_pool", 1),
        (arch, "head", "dense"),
        (arch, "hidden_ch", -1),
        (arch, "padding", "valid"),
        (arch, "expand_divisor", 0),
        (SqueezeSpec, "of", "output"),
        (SqueezeSpec, "rounding", "up"),
        (SqueezeSpec, "gate", "tanh"),
        (SqueezeSpec, "act", "gelu"),
        (block, "act", "gelu"),
        (arch, "name", ""),
        (arch, "name", "two\nlines"),
        (arch, "stages", ()),
        (arch, "resolution", 4097),
        (arch, "stem_kernel", 2),
        (arch, "stem_stride", 4),
        (arch, "head_ch", 0),
        (arch, "num_classes", -1),
        (arch, "act", "gelu"),
        (arch, "bn_eps", 0),
        (arch, "bn_momentum", "0.1"),
        (arch, "drop_path", 1.0),
    ],
)
def test_values_without_sense_are_refused_by_name(
    make: Callable[..., object], name: str, value: object
) -> None:
    with pytest.raises(SpecError, match=name) as error:
        make(**{name: value})
    assert "\n" not in str(error.value)


def test_only_the_first_block_of_a_stage_has_its_stride_and_width() -> None:
    first, *later = STAGE.blocks(8, "relu")
    assert (first.stride, first.in_ch, first.has_residual) == (2, 8, False)
    assert [(b.stride, b.in_ch, b.has_residual) for b in later] == [(1, 16, True)] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "conv", "expand": 2}, "expand is 2; conv does not expand"),
        ({"kind": "basic", "expand_ch": 8}, "basic does not expand"),
        ({"kind": "conv", "expand_always": True}, "only mbconv or fused may"),
        ({"kind": "bottleneck", "se_ratio": 0.25}, "bottleneck has no gate"),
        ({"kind": "conv", "se_ratio": 0.25}, "conv has no gate"),
        ({"act": "linear"}, "act is linear; only a conv may be"),
    ],
)
def test_a_kind_refuses_what_it_has_no_place_for(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        block(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "skip", "stride", "out_ch", "expected"),
    [
        ("mbconv", "identity", 1, 8, "identity"),
        ("mbconv", "identity", 2, 8, "none"),
        ("mbconv", "pooled", 1, 8, "identity"),
        ("mbconv", "pooled", 2, 8, "pooled"),
        ("conv", "pooled", 1, 4, "pooled"),
        ("basic", "identity", 2, 8, "projection"),
        ("bottleneck", "identity", 1, 32, "projection"),
        ("bottleneck", "identity", 1, 8, "identity"),
        ("basic", "pooled", 2, 16, "pooled"),
        ("basic", "none", 1, 8, "none"),
    ],
)
def test_a_skip_becomes_a_shortcut_that_fits(
    kind: str, skip: str, stride: int, out_ch: int, expected: str
) -> None:
    spec = block(kind=kind, skip=skip, stride=stride, out_ch=out_ch)
    assert spec.shortcut == expected
    assert spec.has_residual is (expected != "none")


def test_depth_and_stride_are_derived() -> None:
    spec = arch(stages=(STAGE, STAGE))
    assert (spec.depth, spec.total_stride) == (6, 8)


def test_specs_need_no_torch() -> None:
    # The command's help and cost table must answer before torch could have been imported.
    modules = ("spec", "codec", "cost", "catalog", "resize", "layers")
    code = ";".join([*(f"import search_spaces.{name}" for name in modules), "import sys"])
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
