"""Random small architectures, for hypothesis."""

from typing import Literal

from hypothesis import strategies as st

from search_spaces.spec import Activation, ArchSpec, BlockKind, SqueezeSpec, StageSpec

__all__ = ["arch_specs", "squeeze_specs", "stage_specs"]

EXPANDS = st.one_of(st.sampled_from([1, 1.0, 1.5, 2, 6]), st.floats(1, 4))
SE_RATIOS = st.one_of(st.sampled_from([0, 0.25, 0.5]), st.floats(0, 0.5))
KERNELS = st.sampled_from([1, 3, 5, 7])
WIDTHS = st.integers(1, 24)


ACTS: st.SearchStrategy[Activation] = st.sampled_from(["relu", "relu6", "hard_swish", "silu"])
LINEAR: st.SearchStrategy[Literal["linear"]] = st.just("linear")
KINDS: list[BlockKind] = ["conv", "dsconv", "mbconv", "fused", "basic", "bottleneck"]


@st.composite
def stage_specs(draw: st.DrawFn) -> StageSpec:
    kind = draw(st.sampled_from(KINDS))
    expands = kind in ("mbconv", "fused", "bottleneck")
    expand = draw(EXPANDS if kind != "bottleneck" else st.sampled_from([0.25, 0.5, 1, 2]))
    expand_ch = draw(st.none() | WIDTHS) if expands else None
    plain = kind in ("mbconv", "fused") and expand == 1 and expand_ch is None
    return StageSpec(
        kind=kind,
        kernel=draw(KERNELS),
        stride=draw(st.sampled_from([1, 2])),
        expand=expand if expands else 1,
        out_ch=draw(WIDTHS),
        repeats=draw(st.integers(1, 3)),
        se_ratio=draw(SE_RATIOS) if kind in ("mbconv", "fused", "dsconv") else 0,
        skip=draw(st.sampled_from(["identity", "pooled", "none"])),
        act=draw(st.none() | (LINEAR if kind == "conv" else ACTS)),
        expand_ch=expand_ch,
        expand_always=plain and draw(st.booleans()),
    )


def squeeze_specs() -> st.SearchStrategy[SqueezeSpec]:
    return st.builds(
        SqueezeSpec,
        of=st.sampled_from(["input", "expanded"]),
        rounding=st.sampled_from(["down", "nearest", "divisible"]),
        gate=st.sampled_from(["sigmoid", "hard_sigmoid"]),
        act=st.none() | ACTS,
    )


def arch_specs() -> st.SearchStrategy[ArchSpec]:
    return st.builds(
        ArchSpec,
        name=st.text("abcdefgh_0123456789", min_size=1, max_size=12),
        resolution=st.integers(5, 33),
        stages=st.lists(stage_specs(), min_size=1, max_size=4).map(tuple),
        stem_ch=WIDTHS,
        stem_kernel=KERNELS,
        stem_stride=st.sampled_from([1, 2]),
        head_ch=st.integers(1, 40),
        num_classes=st.integers(1, 12),
        in_ch=st.integers(1, 4),
        act=ACTS,
        dropout=st.floats(0, 0.5),
        drop_path=st.floats(0, 0.5),
        stem_pool=st.booleans(),
        head=st.sampled_from(["conv", "none"]),
        hidden_ch=st.sampled_from([0, 9]),
        padding=st.sampled_from(["symmetric", "same"]),
        expand_divisor=st.sampled_from([1, 8]),
        se=squeeze_specs(),
        hidden_bias=st.booleans(),
    )
