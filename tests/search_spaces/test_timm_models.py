"""timm's networks read as specs: as many parameters, the same blocks, refusals that name why."""

import inspect
import re
import sys
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from search_spaces.catalog import catalog_spec
from search_spaces.codec import fingerprint, stage_from_string, stage_to_string
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.grouping import DIVISOR
from search_spaces.spec import SpecError, SqueezeSpec
from search_spaces.timm_models import family_names, timm_spec
from search_spaces.timm_modules import Place, see_block
from tests.search_spaces.widths import widths_of

pytestmark = pytest.mark.usefixtures("references")

# As timm's own documentation lists them (M), rounded.
PARAMS = {
    "tinynet_a": "6.19",
    "fbnetc_100": "5.57",
    "spnasnet_100": "4.42",
    "mnasnet_140": "7.12",
    "mobilenetv2_120d": "5.83",
    "efficientnet_es": "5.44",
    "efficientnet_b1_pruned": "6.33",
    "hardcorenas_a": "5.26",
    "lcnet_100": "2.95",
    "fbnetv3_b": "8.60",
    "tf_efficientnetv2_b3.in21k_ft_in1k": "14.36",
}
SAME = {  # here and in timm, but for BatchNorm and regularisation
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_lite0": "efficientnet_lite0",
    "mnasnet_a1": "semnasnet_100",
    "mobilenetv2": "mobilenetv2_100",
    "mobilenetv3_large": "mobilenetv3_large_100",
    "mobilenetv1": "mobilenetv1_100",
    "efficientnetv2_s": "efficientnetv2_s",
}
REFUSED = {
    "mixnet_s": r"blocks\.1\.0: mixed kernels \[1, 1\]",
    "efficientnet_cc_b0_4e": r"blocks\.4\.0: CondConv experts",
    "mobilenetv4_conv_small": r"blocks\.2\.0: a universal inverted residual",
    "mobilenetv4_hybrid_large": r"the activation GELU",
    "efficientnet_blur_b0": r"blocks\.1\.0: anti-aliasing",
    "efficientnet_x_b3": r"blocks\.0\.0: space to depth",
    "efficientnet_b0_gn": r"normalisation by GroupNormAct",
    "mobilenet_edgetpu_v2_xs": r"blocks\.1\.1: a convolution in 2 groups",
    "gc_efficientnetv2_rw_t": r"blocks\.3\.0: a gate by GlobalContext",
}


@pytest.mark.parametrize("name", PARAMS)
def test_there_are_as_many_parameters(name: str) -> None:
    spec = timm_spec(name)
    assert spec.name == name
    assert f"{cost(spec).params / 1e6:.2f}" == PARAMS[name]


@pytest.mark.parametrize("ours", SAME)
def test_a_network_that_both_have_is_the_same(ours: str) -> None:
    spec = catalog_spec(ours)
    found = timm_spec(SAME[ours])
    own = ("name", "resolution", "dropout", "drop_path", "bn_eps", "bn_momentum")
    assert fingerprint(replace(found, **{n: getattr(spec, n) for n in own})) == fingerprint(spec)
    assert [s.repeats for s in found.stages] == [s.repeats for s in spec.stages]


def test_what_is_not_in_the_blocks_is_read_too() -> None:
    spec = timm_spec("tf_efficientnet_b1")
    assert (spec.padding, spec.bn_eps, spec.bn_momentum) == ("same", 1e-3, 0.1)
    assert (spec.resolution, spec.num_classes, spec.dropout) == (240, 1000, 0)
    spec = timm_spec("fbnetv3_b")
    assert (spec.hidden_ch, spec.hidden_bias, spec.head_ch) == (1984, False, 1344)
    spec = timm_spec("lcnet_050")
    assert (spec.head, spec.hidden_ch, spec.act) == ("none", 1280, "hard_swish")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_expressed_is_named(name: str) -> None:
    with pytest.raises(InputError, match=REFUSED[name]) as error:
        timm_spec(name)
    assert str(error.value).startswith(f"timm:{name}: ")
    assert str(error.value).endswith(" cannot be expressed")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tinynet_z", "timm has no network called 'tinynet_z'; did you mean timm:tinynet_"),
        ("???", r"timm has no network called '\?\?\?'$"),
        ("resnet50", "timm:resnet50: only networks of timm's EfficientNet family are read"),
        ("tinynet_a.nope", "timm:tinynet_a.nope: Invalid pretrained tag"),
    ],
)
def test_other_names_are_answered_in_one_line(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        timm_spec(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["timm", "torchvision"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=rf"{missing}.*pip install 'compound-nas\[timm\]'"):
        timm_spec("tinynet_a")


def test_a_spec_with_other_parameters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from search_spaces import timm_models

    def counted(spec: Any) -> SimpleNamespace:
        return SimpleNamespace(params=cost(spec).params + 1)

    monkeypatch.setattr(timm_models, "cost", counted)
    with pytest.raises(InputError, match=r"2,042,972 parameters .* 2,042,973\) cannot be"):
        timm_spec("tinynet_e")


@pytest.mark.slow
def test_every_network_of_the_family_is_read_or_refused(references: SimpleNamespace) -> None:
    read = 0
    for name in family_names():
        try:
            spec = timm_spec(name)
        except InputError as error:
            assert str(error).endswith(" cannot be expressed"), name
            continue
        with torch.device("meta"):
            theirs = references.timm.create_model(name)
        assert cost(spec).params == sum(p.numel() for p in theirs.parameters()), name
        read += 1
    assert read >= 111


@cache
def strings_of(timm: Any) -> list[str]:
    """Returns the block strings in timm's own sources, but those that its programs fill in."""
    modules = (timm.models.efficientnet, timm.models.mobilenetv3, timm.models.hardcorenas)
    text = "\n".join(inspect.getsource(module) for module in modules)
    found = re.findall(r"'((?:ir|er|ds|dsa|cn|uir|mqa|mha)_r\d[^'{}]*)'", text)
    return sorted(set(found))


def test_timms_block_strings_mean_what_timm_makes_of_them(references: SimpleNamespace) -> None:
    read, refused = 0, 0
    for text in strings_of(references.timm):
        place = Place(text)
        try:
            stage = stage_from_string(text)
        except SpecError as error:
            assert str(error).startswith(f"block {text!r}: ")
            with pytest.raises(InputError):
                [see_block(block, place) for block in built(references.timm, text)]
            refused += 1
            continue
        rules: dict[str, Any] = {"se": SqueezeSpec(rounding="nearest"), "expand_divisor": DIVISOR}
        ours = [widths_of(block) for block in stage.blocks(32, "relu", **rules)]
        theirs = [see_block(block, place).widths for block in built(references.timm, text)]
        assert [replace(w, kind="") for w in ours] == [replace(w, kind="") for w in theirs], text  # type: ignore[arg-type]
        read += 1
    assert (read, refused) >= (200, 20)


def built(timm: Any, text: str) -> list[nn.Module]:
    """Returns the blocks that timm builds of a block string for 32 channels."""
    builder = timm.models._efficientnet_builder
    made = builder.EfficientNetBuilder(
        act_layer=nn.ReLU, norm_layer=nn.BatchNorm2d, se_layer=builder.SqueezeExcite
    )
    with torch.device("meta"):
        # timm asks the last block for its features, which an attention has none of.
        stage, _ = made(32, builder.decode_arch_def([[text], ["ir_r1_k3_s1_e1_c8"]]))
    return list(stage)


@pytest.mark.parametrize(
    "text",
    [
        "ir_r1_k3_s1_e1_c16", "er_r2_k3_s1_e1_c24", "er_r1_k3_s1_e4_c24_fc24_noskip",
        "cn_r1_k3_s1_e1_c16_skip", "ds_r1_k3_s2_e1_c16_se0.25_nre", "dsa_r2_k5_s2_c512_se0.25",
        "ir_r1_k3_s1_e3.67_c24_nhs", "cn_r1_k1_s1_c960", "ir_r2_k3_s1_e2.3_c80",
    ],
)  # fmt: skip
def test_timms_block_strings_are_written_as_they_are_read(text: str) -> None:
    assert stage_to_string(stage_from_string(text)) == text
