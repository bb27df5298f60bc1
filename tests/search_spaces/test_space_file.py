"""A user's own space: read, refused in one line, written back; the documented one runs."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.codec import stage_to_string
from search_spaces.errors import InputError
from search_spaces.network import build
from search_spaces.space_reading import space_from_document, space_from_toml
from search_spaces.spaces import make_space
from search_spaces.spec import StageSpec
from tests.search_spaces.strategies import stage_specs

PAGE = Path(__file__).parents[2] / "docs" / "spaces.md"
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
SMALLEST = 'name = "own"\nskeleton.stages = ["ir_r2_k3_s2_e4_c24_se0.25"]\n'


def test_the_documented_space_is_what_it_says() -> None:
    space = make_space(space_from_toml(EXAMPLE, where="x"), image_size=8, num_classes=7)
    options = {choice.name: choice.options for choice in space.choices}
    assert (space.name, space.skeleton.resolution, space.skeleton.num_classes) == ("thrifty", 32, 7)
    assert (space.skeleton.stem_ch, space.skeleton.act) == (16, "hard_swish")
    assert {name for name in options if name.startswith("stage1")} == {
        "stage1.kernel", "stage1.width",
    }  # fmt: skip
    assert options["stage2.kind"] == ("mbconv", "fused")
    assert options["stage3.expand"] == (3, 4.5, 6)
    assert options["stage4.act"] == ("relu", "hard_swish")
    spec = space.decode(space.sample(np.random.default_rng(0)))
    assert build(spec).eval() is not None


def test_resolution_and_width_may_be_asked_for() -> None:
    own = space_from_toml(EXAMPLE, where="x")
    wide = make_space(own, image_size=8, num_classes=7, resolution=20, width=2)
    assert wide.skeleton.resolution == 20
    assert [stage.out_ch for stage in wide.skeleton.stages] == [32, 48, 80, 192]
    unsized = make_space(space_from_toml(SMALLEST, where="x"), image_size=28, num_classes=7)
    assert unsized.skeleton.resolution == 28


def test_what_is_not_listed_stays() -> None:
    space = make_space(space_from_toml(SMALLEST, where="x"), image_size=28, num_classes=7)
    assert (space.choices, space.size, space.networks) == ((), 1, 1)
    assert [stage_to_string(stage) for stage in space.decode({}).stages] == [
        "ir_r2_k3_s2_e4_c24_se0.25"
    ]


REFUSED = [
    ("kernel =", "kernal =", "there is no key options.kernal; did you mean 'kernel'? the keys are"),
    ("stem_ch", "stem_chan", "there is no key skeleton.stem_chan; did you mean 'stem_ch'?"),
    ("[options]", "[option]", "there is no key option; did you mean 'options'? the keys are name,"),
    ("number = 2", "numbr = 2", "there is no key stage[2].numbr; did you mean 'number'?"),
    ('act = "hard_swish"', 'se.off = "x"', "there is no key skeleton.se.off; did you mean 'of'?"),
    ('name = "thrifty"', "", "name is missing"),
    ("number = 2", "", "stage[2].number is missing"),
    ('name = "thrifty"', 'name = "a/b"', "name is 'a/b'; it must not hold a slash"),
    ('name = "thrifty"', "name = 3", "name is 3; it must be text in quotes"),
    ("[3, 5, 7]", "[3, 4]", "options.kernel is 4; it must be odd, such as 3 or 5"),
    ("[3, 5, 7]", "3", "options.kernel is 3; it must be a list, as in [3, 5]"),
    ("[3, 5, 7]", "[3.5]", "options.kernel[1] is 3.5; it must be a whole number"),
    ("[3, 5, 7]", "[true]", "options.kernel[1] is True; it must be a whole number"),
    ("[3, 4.5, 6]", '[3, "a"]', "options.expand[2] is 'a'; it must be a number"),
    ("[3, 4.5, 6]", "[0.5]", "options.expand is 0.5; it must lie between 1 and 64"),
    ("[0.75, 1, 1.25]", "[nan]", "options.width is nan; it must lie between 0.05 and 20"),
    ("[0.75, 1, 1.25]", "[1, 1.0]", "options.width is [1, 1]; list every option once"),
    ("[-1, 0, 1]", "[300]", "options.layers is 300; it must be a whole number from -256 to 256"),
    ("[-1, 0, 1]", "[200]", "its deepest network has 608 blocks; it may have 256"),
    ('"fused"]', '"fusd"]', "stage[2].kind[2] is 'fusd'; it must be 'conv', 'dsconv', 'mbconv' or"),
    ('"relu", "h', '"linear", "h', "stage[3].act[1] is 'linear'; it must be 'relu', 'relu6',"),
    ("number = 2", "number = 9", "stage[2].number is 9; it must be a whole number from 1 to 4"),
    ("number = 2", "number = 1", "stage[2].number is 1 a second time"),
    ("stem_stride = 1", "stem_stride = 3", "stem_stride is 3; it must be a whole number from 1"),
    ("resolution = 32", "resolution = 0", "resolution is 0; it must be a whole number from 1"),
    ("resolution = 32", "resolution = 1979-05-27", "skeleton.resolution is '1979-05-27'; it must"),
    ("stem_stride = 1", "stem_pool = 1", "skeleton.stem_pool is 1; it must be true or false"),
    ("_c16", "_c16_z3", "skeleton.stages[1]: block 'ds_r1_k3_s1_e1_c16_z3': 'z3' cannot be"),
    ("_c16", "_c0", "skeleton.stages[1]: block 'ds_r1_k3_s1_e1_c0': stage: out_ch is 0; it must"),
    ("ds_r1_k3_s1_e1_c16", "cn_r1_k3_s1_c16_nli", None),
    (
        "[options]",
        "[[options]]",
        "options is [{'kernel': [3, 5, 7], 'expand': [3, 4.5, 6], 'layers",
    ),
    ("[options]", "[options", "not TOML: Expected ']' at the end of a table declaration"),
]


@pytest.mark.parametrize(("good", "bad", "message"), REFUSED)
def test_a_fault_is_told_in_one_line(good: str, bad: str, message: str | None) -> None:
    assert good in EXAMPLE
    text = EXAMPLE.replace(good, bad, 1)
    if message is None:
        space_from_toml(text, where="own.toml")
        return
    with pytest.raises(InputError) as refused:
        space_from_toml(text, where="own.toml")
    assert str(refused.value).startswith("own.toml: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_linear_convolution_cannot_become_another_kind() -> None:
    text = 'name = "own"\noptions.kind = ["conv", "dsconv"]\n'
    text += 'skeleton.stages = ["ir_r1_k3_s1_e3_c8", "cn_r1_k3_s1_c8_nli"]\n'
    with pytest.raises(InputError, match=r"own.toml: stage 2: stage: act is linear; only a conv"):
        space_from_toml(text, where="own.toml")


def test_a_stage_of_too_many_combinations_is_refused() -> None:
    text = EXAMPLE.replace("[0.75, 1, 1.25]", str([1 + n / 1000 for n in range(900)]))
    with pytest.raises(InputError, match="stage 2 has 48,600 combinations of options; it may have"):
        space_from_toml(text, where="own.toml")


def test_stages_are_neither_none_nor_countless() -> None:
    for stages in ([], ["ir_r1_k3_s1_e3_c8"] * 65):
        text = f'name = "own"\nskeleton.stages = {json.dumps(stages)}\n'
        with pytest.raises(InputError, match=f"stages has {len(stages)} block strings"):
            space_from_toml(text, where="own.toml")


@pytest.mark.parametrize("text", [EXAMPLE, SMALLEST])
def test_what_a_file_says_can_be_kept_and_read_again(text: str) -> None:
    own = space_from_toml(text, where="x")
    document = json.loads(json.dumps(own.document()))
    for again in (
        space_from_document(document, where="y"),
        space_from_toml(tomli_w.dumps(document), where="z"),
    ):
        assert again == own
        assert again.digest == own.digest
    changed = space_from_toml(text.replace("k3", "k5"), where="x")
    assert changed.digest != own.digest


def lists(options: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(options), max_size=3, unique=True)


def tables() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "kind": lists(["conv", "dsconv", "mbconv", "fused"]),
            "kernel": lists([1, 3, 7]),
            "expand": lists([1, 2.5, 4]),
            "se": lists([0, 0.25]),
            "skip": lists(["identity", "pooled", "none"]),
            "act": lists(["relu", "relu6", "silu"]),
            "layers": lists([-2, 0, 1]),
            "width": lists([0.5, 1, 1.5]),
        },
    )


def any_kind(stage: StageSpec) -> bool:
    """Tells whether a stage can be of any kind on offer."""
    return stage.act != "linear" and stage.expand >= 1


@given(
    stages=st.lists(stage_specs().filter(any_kind), min_size=1, max_size=3),
    options=tables(),
    own=tables(),
    seed=st.integers(0, 2**32),
)
def test_any_space_that_is_written_is_read_and_works(
    stages: list[Any], options: dict[str, Any], own: dict[str, Any], seed: int
) -> None:
    document = {
        "name": "any",
        "skeleton": {"stages": [stage_to_string(stage) for stage in stages], "resolution": 9},
        "options": options,
        "stage": [{"number": len(stages), **own}],
    }
    file = space_from_toml(tomli_w.dumps(document), where="any.toml")
    assert space_from_document(file.document(), where="run.toml") == file
    space = make_space(file, image_size=8, num_classes=3)
    rows = space.sample_encoded(np.random.default_rng(seed), 5)
    assert np.array_equal(space.encode_many(space.values_many(rows)), rows)
    assert space.decode_many(rows) == [space.decode(v) for v in space.values_many(rows)]
    macs, _ = space.tables.count(rows)
    assert (space.tables.count(space.canonical(rows))[0] == macs).all()
    drawn = space.window(macs[0], macs[0]).sample(np.random.default_rng(seed), 3)
    assert (space.tables.count(drawn)[0] == macs[0]).all()
