"""Random small architectures, for hypothesis."""

from hypothesis import strategies as st

from search_spaces.spec import ArchSpec, StageSpec

__all__ = ["arch_specs", "stage_specs"]

EXPANDS = st.one_of(st.sampled_from([1, 1.0, 1.5, 2, 6]), st.floats(1, 4))
SE_RATIOS = st.one_of(st.sampled_from([0, 0.25, 0.5]), st.floats(0, 0.5))
KERNELS = st.sampled_from([1, 3, 5, 7])
WIDTHS = st.integers(1, 24)


def stage_specs() -> st.SearchStrategy[StageSpec]:
    return st.builds(
        StageSpec,
        kind=st.sampled_from(["mbconv", "fused"]),
        kernel=KERNELS,
        stride=st.sampled_from([1, 2]),
        expand=EXPANDS,
        out_ch=WIDTHS,
        repeats=st.integers(1, 3),
        se_ratio=SE_RATIOS,
        skip=st.sampled_from(["identity", "none"]),
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
        act=st.sampled_from(["relu", "relu6", "hard_swish", "silu"]),
        dropout=st.floats(0, 0.5),
        drop_path=st.floats(0, 0.5),
    )
