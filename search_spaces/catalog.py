"""Published networks as table rows: block strings, sizes, and what their authors reported."""

from __future__ import annotations

import difflib
from dataclasses import replace

from search_spaces.entry import Entry
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec, SqueezeSpec

__all__ = ["CATALOG", "Entry", "catalog_spec"]


_EFFICIENTNET = Entry(
    "ds_r1_k3_s1_e1_c16_se0.25 ir_r2_k3_s2_e6_c24_se0.25 ir_r2_k5_s2_e6_c40_se0.25 "
    "ir_r3_k3_s2_e6_c80_se0.25 ir_r3_k5_s1_e6_c112_se0.25 ir_r4_k5_s2_e6_c192_se0.25 "
    "ir_r1_k3_s1_e6_c320_se0.25",
    resolution=224,
    source="Tan & Le 2019, arXiv:1905.11946, table 2",
)
_LITE = replace(
    _EFFICIENTNET,
    blocks=_EFFICIENTNET.blocks.replace("_se0.25", ""),
    act="relu6",
    rounding=Rounding(fixed_ends=True),
    source="tensorflow/tpu models/official/efficientnet/lite",
)
_V2 = Entry(
    "cn_r1_k3_s1_e1_c16_skip er_r2_k3_s2_e4_c32 er_r2_k3_s2_e4_c48 ir_r3_k3_s2_e4_c96_se0.25 "
    "ir_r5_k3_s1_e6_c112_se0.25 ir_r8_k3_s2_e6_c192_se0.25",
    resolution=224,
    rounding=Rounding(ninety_percent=False),
    source="Tan & Le 2021, arXiv:2104.00298; google/automl efficientnetv2",
)
_MNASNET = Entry(
    "ds_r1_k3_s1_e1_c16_noskip ir_r2_k3_s2_e6_c24 ir_r3_k5_s2_e3_c40_se0.25 ir_r4_k3_s2_e6_c80 "
    "ir_r2_k3_s1_e6_c112_se0.25 ir_r3_k5_s2_e6_c160_se0.25 ir_r1_k3_s1_e6_c320",
    resolution=224,
    act="relu",
    drop_path=0.0,
    source="Tan et al. 2019, arXiv:1807.11626",
)
_MOBILENETV2 = Entry(
    "ds_r1_k3_s1_e1_c16 ir_r2_k3_s2_e6_c24 ir_r3_k3_s2_e6_c32 ir_r4_k3_s2_e6_c64 "
    "ir_r3_k3_s1_e6_c96 ir_r3_k3_s2_e6_c160 ir_r1_k3_s1_e6_c320",
    resolution=224,
    act="relu6",
    drop_path=0.0,
    bn_eps=1e-5,
    bn_momentum=0.1,
    widest_head=True,
    source="Sandler et al. 2018, arXiv:1801.04381, tables 2 and 4",
)
_MOBILENETV1 = Entry(
    "dsa_r1_k3_s1_c64 dsa_r2_k3_s2_c128 dsa_r2_k3_s2_c256 dsa_r6_k3_s2_c512 dsa_r2_k3_s2_c1024",
    resolution=224,
    head="none",
    act="relu6",
    dropout=0.001,
    drop_path=0.0,
    bn_eps=1e-5,
    bn_momentum=0.1,
    source="Howard et al. 2017, arXiv:1704.04861, table 6",
)
_MOBILENETV3 = Entry(
    "ds_r1_k3_s1_e1_c16_nre ir_r1_k3_s2_e4_c24_nre ir_r1_k3_s1_e3_c24_nre "
    "ir_r3_k5_s2_e3_c40_se0.25_nre ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80 "
    "ir_r2_k3_s1_e6_c112_se0.25 ir_r3_k5_s2_e6_c160_se0.25",
    resolution=224,
    stem_ch=16,
    head_ch=960,
    hidden_ch=1280,
    act="hard_swish",
    drop_path=0.0,
    expand_divisor=8,
    se=SqueezeSpec("expanded", "divisible", "hard_sigmoid", "relu"),
    widest_head=True,
    source="Howard et al. 2019, arXiv:1905.02244v5, table 3",
)
_RESNET = Entry(
    "",
    resolution=224,
    stem_ch=64,
    stem_kernel=7,
    stem_pool=True,
    head="none",
    act="relu",
    dropout=0.0,
    drop_path=0.0,
    bn_eps=1e-5,
    bn_momentum=0.1,
    source="He et al. 2015, arXiv:1512.03385; strides and figures: torchvision, IMAGENET1K_V1",
)


def _resnets() -> dict[str, Entry]:
    rows = (
        ("18", "basic", (2, 2, 2, 2), "11.7M", "1.81G", 69.8),
        ("34", "basic", (3, 4, 6, 3), "21.8M", "3.66G", 73.3),
        ("50", "bottleneck", (3, 4, 6, 3), "25.6M", "4.09G", 76.1),
        ("101", "bottleneck", (3, 4, 23, 3), "44.5M", "7.80G", 77.4),
    )
    return {f"resnet{row[0]}": _resnet(*row[1:]) for row in rows}


def _resnet(code: str, repeats: tuple[int, ...], params: str, macs: str, top1: float) -> Entry:
    expand, times = ("_e0.25", 4) if code == "bottleneck" else ("", 1)
    blocks = (
        f"{code}_r{count}_k3_s{stride}{expand}_c{64 * 2**number * times}"
        for number, (count, stride) in enumerate(zip(repeats, (1, 2, 2, 2), strict=True))
    )
    return replace(_RESNET, blocks=" ".join(blocks), params=params, macs=macs, top1=top1)


def _efficientnets() -> dict[str, Entry]:
    rows = (
        ("b0", 1.0, 1.0, 224, 0.2, "5.3M", "0.39G", 77.1),
        ("b1", 1.0, 1.1, 240, 0.2, "7.8M", "0.70G", 79.1),
        ("b2", 1.1, 1.2, 260, 0.3, "9.2M", "1.0G", 80.1),
        ("b3", 1.2, 1.4, 300, 0.3, "12M", "1.8G", 81.6),
        ("b4", 1.4, 1.8, 380, 0.4, "19M", "4.2G", 82.9),
        ("b5", 1.6, 2.2, 456, 0.4, "30M", "9.9G", 83.6),
        ("b6", 1.8, 2.6, 528, 0.5, "43M", "19G", 84.0),
        ("b7", 2.0, 3.1, 600, 0.5, "66M", "37G", 84.3),
        ("b8", 2.2, 3.6, 672, 0.5, "", "", 85.5),
        ("l2", 4.3, 5.3, 800, 0.5, "480M", "", 88.4),
    )
    return {f"efficientnet_{row[0]}": _scaled_row(_EFFICIENTNET, *row[1:]) for row in rows}


def _lites() -> dict[str, Entry]:
    rows = (
        ("0", 1.0, 1.0, 224, 0.2, "4.7M", "", 75.1),
        ("1", 1.0, 1.1, 240, 0.2, "5.4M", "", 76.7),
        ("2", 1.1, 1.2, 260, 0.3, "6.1M", "", 77.6),
        ("3", 1.2, 1.4, 280, 0.3, "8.2M", "", 79.8),
        ("4", 1.4, 1.8, 300, 0.3, "13.0M", "", 81.5),
    )
    return {f"efficientnet_lite{row[0]}": _scaled_row(_LITE, *row[1:]) for row in rows}


def _v2_bases() -> dict[str, Entry]:
    rows = (
        ("b0", 1.0, 1.0, 224, 0.2, "7.1M", "0.72G", 78.7),
        ("b1", 1.0, 1.1, 240, 0.2, "8.1M", "1.2G", 79.8),
        ("b2", 1.1, 1.2, 260, 0.3, "10.1M", "1.7G", 80.5),
        ("b3", 1.2, 1.4, 300, 0.3, "14.4M", "3.0G", 82.1),
    )
    return {f"efficientnetv2_{row[0]}": _scaled_row(_V2, *row[1:]) for row in rows}


def _scaled_row(
    base: Entry,
    width: float,
    depth: float,
    resolution: int,
    dropout: float,
    params: str,
    macs: str,
    top1: float,
) -> Entry:
    return replace(
        base,
        width=width,
        depth=depth,
        resolution=resolution,
        dropout=dropout,
        params=params,
        macs=macs,
        top1=top1,
    )


CATALOG: dict[str, Entry] = {
    **_efficientnets(),
    **_lites(),
    **_v2_bases(),
    "efficientnetv2_s": replace(
        _V2,
        blocks="cn_r2_k3_s1_e1_c24_skip er_r4_k3_s2_e4_c48 er_r4_k3_s2_e4_c64 "
        "ir_r6_k3_s2_e4_c128_se0.25 ir_r9_k3_s1_e6_c160_se0.25 ir_r15_k3_s2_e6_c256_se0.25",
        stem_ch=24, resolution=384, params="21.5M", macs="8.4G", top1=83.9,
    ),
    "efficientnetv2_m": replace(
        _V2,
        blocks="cn_r3_k3_s1_e1_c24_skip er_r5_k3_s2_e4_c48 er_r5_k3_s2_e4_c80 "
        "ir_r7_k3_s2_e4_c160_se0.25 ir_r14_k3_s1_e6_c176_se0.25 ir_r18_k3_s2_e6_c304_se0.25 "
        "ir_r5_k3_s1_e6_c512_se0.25",
        stem_ch=24, resolution=480, dropout=0.3, params="54.1M", macs="24.7G", top1=85.2,
    ),
    "efficientnetv2_l": replace(
        _V2,
        blocks="cn_r4_k3_s1_e1_c32_skip er_r7_k3_s2_e4_c64 er_r7_k3_s2_e4_c96 "
        "ir_r10_k3_s2_e4_c192_se0.25 ir_r19_k3_s1_e6_c224_se0.25 ir_r25_k3_s2_e6_c384_se0.25 "
        "ir_r7_k3_s1_e6_c640_se0.25",
        resolution=480, dropout=0.4, params="119.5M", macs="56.3G", top1=85.7,
    ),
    "efficientnetv2_xl": replace(
        _V2,
        blocks="cn_r4_k3_s1_e1_c32_skip er_r8_k3_s2_e4_c64 er_r8_k3_s2_e4_c96 "
        "ir_r16_k3_s2_e4_c192_se0.25 ir_r24_k3_s1_e6_c256_se0.25 ir_r32_k3_s2_e6_c512_se0.25 "
        "ir_r8_k3_s1_e6_c640_se0.25",
        resolution=512, dropout=0.4, top1=87.2,
    ),
    "mnasnet_a1": replace(_MNASNET, params="3.9M", macs="0.312G", top1=75.2),
    "mnasnet_b1": replace(
        _MNASNET,
        blocks="ds_r1_k3_s1_e1_c16_noskip ir_r3_k3_s2_e3_c24 ir_r3_k5_s2_e3_c40 "
        "ir_r3_k5_s2_e6_c80 ir_r2_k3_s1_e6_c96 ir_r4_k5_s2_e6_c192 ir_r1_k3_s1_e6_c320",
        params="4.4M", macs="0.315G", top1=74.5,
    ),
    "mnasnet_small": replace(
        _MNASNET,
        blocks="ds_r1_k3_s1_e1_c8_noskip ir_r1_k3_s2_e3_c16 ir_r2_k3_s2_e6_c16 "
        "ir_r4_k5_s2_e6_c32_se0.25 ir_r3_k3_s1_e6_c32_se0.25 ir_r3_k5_s2_e6_c88_se0.25 "
        "ir_r1_k3_s1_e6_c144",
        stem_ch=8, params="2.0M", macs="0.068G", top1=66.0,
    ),
    "mobilenetv1": replace(_MOBILENETV1, params="4.2M", macs="0.569G", top1=70.6),
    "mobilenetv2": replace(_MOBILENETV2, params="3.4M", macs="0.300G", top1=72.0),
    "mobilenetv3_large": replace(_MOBILENETV3, params="5.4M", macs="0.219G", top1=75.2),
    "mobilenetv3_small": replace(
        _MOBILENETV3,
        blocks="ds_r1_k3_s2_e1_c16_se0.25_nre ir_r1_k3_s2_e4.5_c24_nre ir_r1_k3_s1_e3.67_c24_nre "
        "ir_r1_k5_s2_e4_c40_se0.25 ir_r2_k5_s1_e6_c40_se0.25 ir_r2_k5_s1_e3_c48_se0.25 "
        "ir_r3_k5_s2_e6_c96_se0.25",
        head_ch=576, hidden_ch=1024, params="2.5M", macs="0.056G", top1=67.4,
    ),
    **_resnets(),
}  # fmt: skip


def catalog_spec(name: str) -> ArchSpec:
    """Returns a published network by name; `name@1.4` multiplies its widths by 1.4.

    Raises `InputError` with the nearest names for one that is not listed.
    """
    stem, _, multiplier = name.partition("@")
    if stem not in CATALOG:
        near = difflib.get_close_matches(stem, CATALOG, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`nas list` shows them"
        raise InputError(f"no published network is called {stem!r}; {hint}")
    try:
        width = float(multiplier) if multiplier else 1.0
    except ValueError:
        message = f"{name!r}: the width after @ must be a number, as in {stem}@1.4"
        raise InputError(message) from None
    return CATALOG[stem].spec(name, width)
