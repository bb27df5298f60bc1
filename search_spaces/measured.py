"""The spaces that were measured: every network, or thousands, trained by their authors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search_spaces.codec import stage_from_string, stages_from_strings
from search_spaces.space import OpOptions, SearchSpace, StageOptions
from search_spaces.spec import ArchSpec, StageSpec

__all__ = ["MACRO_OPS", "MEASURED", "Measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Holds how a measured space is made, and what it is."""

    make: Callable[[], SearchSpace]
    about: str


def _accel_nasbench() -> SearchSpace:
    """Returns Accel-NASBench's: seven MBConv blocks on EfficientNet-B0's widths and strides."""
    skeleton = ArchSpec(
        name="accel_nasbench",
        resolution=224,
        stages=stages_from_strings(
            "ir_r1_k3_s1_e6_c16 ir_r1_k3_s2_e6_c24 ir_r1_k3_s2_e6_c40 ir_r1_k3_s2_e6_c80 "
            "ir_r1_k3_s1_e6_c112 ir_r1_k3_s2_e6_c192 ir_r1_k3_s1_e6_c320"
        ),
        dropout=0.2,
    )
    blocks = [StageOptions(expands=(1, 4, 6), layers=(0, 1, 2), widths=(1,)) for _ in range(7)]
    blocks[5] = StageOptions(expands=(1, 4, 6), layers=(0, 1, 2, 3), widths=(1,))
    return SearchSpace("accel_nasbench", skeleton, tuple(blocks))


MACRO_OPS = ("identity", "mbconv3_k3", "mbconv6_k5")  # 0, 1 and 2 in the table's names
_MACRO_STAGES = (2, 3, 3)


def _macro_layer(first: bool) -> OpOptions:
    """Returns a layer's operations; where the shape changes, identity is a linear convolution."""
    identity = stage_from_string("cn_r1_k1_s1_c1_nli") if first else None
    stages: tuple[StageSpec | None, ...] = (
        identity,
        stage_from_string("ir_r1_k3_s1_e3_c1"),
        stage_from_string("ir_r1_k5_s1_e6_c1"),
    )
    return OpOptions(tuple(zip(MACRO_OPS, stages, strict=True)))


def _nas_bench_macro() -> SearchSpace:
    """Returns NAS-Bench-Macro's: eight layers in stages of two, three and three (`train/model.py`).

    Wherever an identity stands inside its stage, the network is the same: 6,561 names, 3,969
    networks.
    """
    stages, options = [], []
    for number, layers in enumerate(_MACRO_STAGES, 1):
        for layer in range(layers):
            stride, out_ch = 2 if layer == 0 else 1, 32 * 2**number
            stages.append(stage_from_string(f"ir_r1_k3_s{stride}_e3_c{out_ch}"))
            options.append(_macro_layer(layer == 0))
    skeleton = ArchSpec(
        name="nas_bench_macro",
        resolution=32,
        stages=tuple(stages),
        stem_stride=1,
        num_classes=10,
        act="relu",
        bn_eps=1e-5,
        bn_momentum=0.1,
    )
    return SearchSpace("nas_bench_macro", skeleton, tuple(options))


MEASURED: Mapping[str, Measured] = {
    "accel_nasbench": Measured(
        _accel_nasbench,
        "MBConv on B0's widths; expansion, kernel, layers, squeeze-excite "
        "(Accel-NASBench, DAC 2024; 5,138 measured)",
    ),
    "nas_bench_macro": Measured(
        _nas_bench_macro,
        "eight layers, each identity or MBConv of two kinds (NAS-Bench-Macro, CVPR 2021; "
        "all measured)",
    ),
}
