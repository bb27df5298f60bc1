from dataclasses import replace

import numpy as np
import pytest

from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import stages_from_strings
from search_spaces.errors import InputError
from search_spaces.latency import BlockTable, calibrate, piece_keys
from search_spaces.layers import block_layers
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec, SqueezeSpec


def small(blocks: str, **more: object) -> ArchSpec:
    spec = ArchSpec("small", 32, stages_from_strings(blocks), stem_ch=16, head_ch=64)
    return replace(spec, **more)  # type: ignore[arg-type]


def block_keys(blocks: str, **more: object) -> tuple[str, ...]:
    return piece_keys(small(blocks, **more))[1:-1]


def test_a_network_has_a_stem_its_blocks_and_a_tail() -> None:
    for name in CATALOG:
        spec = catalog_spec(name)
        stem, *blocks, tail = piece_keys(spec)
        assert stem.startswith(f"stem {spec.resolution}px: {spec.in_ch}>{spec.stem_ch} ")
        assert len(blocks) == spec.depth
        assert tail.startswith("tail ")
        assert tail.endswith(f">{spec.num_classes} linear")


def test_pieces_have_one_name_exactly_if_their_layers_are_the_same() -> None:
    names: dict[object, str] = {}
    for spec in map(catalog_spec, CATALOG):
        blocks = [block for stage in spec.stage_blocks() for block in stage]
        for block, name in zip(blocks, piece_keys(spec)[1:-1], strict=True):
            side = int(name.partition("px")[0])
            layers = (block_layers(block), block.has_residual, side)
            assert names.setdefault(layers, name) == name
    assert len(set(names.values())) == len(names) > 300


def test_a_block_is_known_by_its_layers_and_not_by_its_stage() -> None:
    first, again, last = block_keys("ir_r3_k3_s1_e4_c16")
    assert first == again == last
    assert first == "16px: 16>64 k1 silu, 64>64 k3 g64 silu, 64>16 k1 linear + input"
    assert block_keys("ir_r1_k3_s1_e4_c16 ir_r2_k3_s1_e4_c16") == (first,) * 3
    assert block_keys("ir_r1_k3_s2_e4_c24")[0].startswith("16px: 16>64 k1 silu, 64>64 k3 s2 g64")


@pytest.mark.parametrize(
    ("blocks", "more"),
    [
        ("ir_r1_k5_s1_e4_c16", {}),
        ("ir_r1_k3_s1_e4_c16_se0.25", {}),
        ("ir_r1_k3_s1_e4_c16_noskip", {}),
        ("ir_r1_k3_s1_e4_c16", {"act": "relu"}),
        ("ir_r1_k3_s1_e4_c16", {"resolution": 64}),
        ("er_r1_k3_s1_e4_c16", {}),
    ],
)
def test_what_another_machine_instruction_runs_is_another_piece(
    blocks: str, more: dict[str, object]
) -> None:
    assert block_keys(blocks, **more) != block_keys("ir_r1_k3_s1_e4_c16")


def test_gates_paddings_and_shortcuts_are_in_the_name() -> None:
    gated = small("ir_r1_k3_s2_e4_c16_se0.25", padding="same")
    assert "se 64>4 silu sigmoid" in piece_keys(gated)[1]
    assert "k3 s2 g64 silu same" in piece_keys(gated)[1]
    hard = replace(gated, se=SqueezeSpec(gate="hard_sigmoid", act="relu"))
    assert "se 64>4 relu hard_sigmoid" in piece_keys(hard)[1]
    resnet = catalog_spec("resnet50")
    assert piece_keys(resnet)[0].endswith("max 64>64 k3 s2 symmetric")
    assert piece_keys(resnet)[1].endswith(" + 64>256 k1 linear, relu")


def test_a_network_takes_what_its_pieces_take() -> None:
    spec = small("ir_r2_k3_s1_e4_c16 ir_r1_k3_s2_e4_c24")
    stem, block, _, other, tail = piece_keys(spec)
    table = BlockTable({stem: 0.001, block: 0.002, other: 0.004, tail: 0.008})
    assert table.total(spec) == pytest.approx(0.017)
    assert table.predict(spec) == table.total(spec)
    fitted = replace(table, scale=2, offset=0.003)
    assert fitted.predict(spec) == pytest.approx(0.037)
    assert table.missing(spec) == ()


def test_a_piece_that_was_not_measured_is_named() -> None:
    spec = small("ir_r2_k3_s1_e4_c16")
    stem, block, _, tail = piece_keys(spec)
    table = BlockTable({stem: 1.0})
    assert table.missing(spec) == (block, tail)
    with pytest.raises(InputError, match="small: the table has no time for '16px: 16>64 k1"):
        table.predict(spec)


def test_calibration_finds_scale_and_offset_despite_a_disturbed_network() -> None:
    space = make_space("mixed", image_size=64, num_classes=10)
    rng = np.random.default_rng(0)
    specs = [space.decode(space.sample(rng)) for _ in range(10)]
    keys = {key for spec in specs for key in piece_keys(spec)}
    table = BlockTable({key: float(rng.uniform(1e-4, 1e-3)) for key in sorted(keys)})
    seconds = [1.2 * table.total(spec) + 1e-3 for spec in specs]
    fitted = calibrate(table, specs, seconds)
    assert fitted.scale == pytest.approx(1.2, rel=1e-3)
    assert fitted.offset == pytest.approx(1e-3, rel=1e-2)
    disturbed = calibrate(table, specs, [3 * seconds[0], *seconds[1:]])
    errors = [abs(disturbed.predict(s) / t - 1) for s, t in zip(specs, seconds, strict=True)]
    assert max(errors) < 0.05


def test_calibration_never_predicts_less_than_nothing() -> None:
    space = make_space("mixed", image_size=64, num_classes=10)
    rng = np.random.default_rng(0)
    specs = [space.decode(space.sample(rng)) for _ in range(4)]
    table = BlockTable({key: 1e-3 for spec in specs for key in piece_keys(spec)})
    seconds = [table.total(spec) - 5e-3 for spec in specs]
    fitted = calibrate(table, specs, seconds)
    assert fitted.offset >= 0
    assert fitted.scale > 0
