"""Specs written and read: round trips, refusals, fingerprints."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import (
    VERSION,
    fingerprint,
    spec_from_json,
    spec_to_json,
    stage_from_string,
    stage_to_string,
    stages_from_strings,
)
from search_spaces.spec import ArchSpec, SpecError, StageSpec
from tests.search_spaces.strategies import arch_specs, stage_specs

Document = dict[str, Any]
BASE = catalog_spec("mobilenetv2")


@given(spec=arch_specs())
def test_a_spec_survives_json(spec: ArchSpec) -> None:
    read = spec_from_json(spec_to_json(spec))
    assert read == spec
    assert fingerprint(read) == fingerprint(spec)


@given(stage=stage_specs())
def test_a_stage_survives_its_block_string(stage: StageSpec) -> None:
    text = stage_to_string(stage)
    assert stage_from_string(text) == stage
    assert not set(text) & set(" \n")


@pytest.mark.parametrize("name", CATALOG)
def test_published_block_strings_are_written_as_they_are_read(name: str) -> None:
    blocks = CATALOG[name].blocks
    assert " ".join(map(stage_to_string, stages_from_strings(blocks))) == blocks


def one_line(error: pytest.ExceptionInfo[SpecError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[1]", "format"),
        ('{"format": "other"}', "compound-nas/arch"),
    ],
)
def test_other_files_are_refused(text: str, named: str) -> None:
    with pytest.raises(SpecError, match=named) as error:
        spec_from_json(text, where="my.json")
    assert one_line(error).startswith("my.json: ")


def in_arch(name: str, value: object) -> Callable[[Document], object]:
    return lambda document: document["arch"].update({name: value})


def in_stage(name: str, value: object) -> Callable[[Document], object]:
    return lambda document: document["arch"]["stages"][1].update({name: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.update(version=VERSION + 1), "version 2 is newer"),
        (lambda d: d.update(version=0), "version is 0"),
        (lambda d: d.update(version=True), "version is True"),
        (lambda d: d.update(version="1"), "version is '1'"),
        (lambda d: d.pop("arch"), "arch"),
        (lambda d: d["arch"].pop("resolution"), "resolution"),
        (lambda d: d["arch"].pop("stages"), "stages"),
        (lambda d: d["arch"]["stages"][1].pop("kernel"), "kernel"),
        (in_arch("colour", "red"), "colour"),
        (in_arch("resolution", True), "resolution"),
        (in_arch("resolution", "64"), "resolution"),
        (in_arch("resolution", 0), "resolution is 0"),
        (in_arch("stem_kernel", 4), "stem_kernel is 4"),
        (in_arch("stages", []), "stages"),
        (in_arch("act", "gelu"), "act"),
        (in_arch("dropout", 1.0), "dropout is 1"),
        (in_arch("name", "two\nlines"), "name"),
        (in_stage("colour", "red"), "colour"),
        (in_stage("kernel", 4), "kernel is 4"),
        (in_stage("repeats", 0), "repeats is 0"),
        (in_stage("repeats", True), "repeats"),
        (in_stage("expand", 0.5), "expand is 0.5"),
        (in_stage("expand", True), "expand"),
        (in_stage("stride", 3), "stride is 3"),
        (in_stage("kind", "dense"), "kind"),
        (in_stage("skip", "pool"), "skip"),
        (in_stage("expand_ch", 0), "expand_ch is 0"),
        (in_arch("se", {"gate": "tanh"}), "gate"),
        (in_arch("se", {"colour": "red"}), "colour"),
        (in_arch("stem_pool", 1), "stem_pool"),
        (in_arch("hidden_bias", 1), "hidden_bias"),
        (in_stage("expand_always", 1), "expand_always"),
    ],
)
def test_a_wrong_field_is_named(change: Callable[[Document], object], named: str) -> None:
    document = json.loads(spec_to_json(BASE))
    change(document)
    with pytest.raises(SpecError, match=named) as error:
        spec_from_json(json.dumps(document), where="my.json")
    assert one_line(error).startswith("my.json: ")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("zz_r1_k3_s1_c8", "'zz'"),
        ("", "type"),
        ("ir_r1_k3_s1_e6", "'c' is missing"),
        ("ir_k3_s1_e6_c8", "'r' is missing"),
        ("ir_r1_k3_s1_e6_c8_q9", "'q9'"),
        ("ir_r1_k4_s1_e6_c8", "kernel is 4"),
        ("ir_r0_k3_s1_e6_c8", "repeats is 0"),
        ("ir_r1_k3_s1_e0.5_c8", "expand is 0.5"),
        ("ir_r1.5_k3_s1_e6_c8", "1.5"),
        ("er_r1_k3_s1_c8", "'e' is missing"),
        ("ds_r1_k3_s1_e6_c8", "'e6' cannot"),
        ("cn_r1_k3_s1_e4_c8", "'e4' cannot"),
        ("ir_r1_k3_s1_e4_c8_fc8", "'fc8' cannot"),
        ("ir_r1_k3.5_s1_e6_c8", "k3.5: mixed kernels cannot be expressed"),
        ("ir_r1_k3_a1.1_s1_e6_c8", "a1.1: mixed kernels cannot be expressed"),
        ("ir_r1_k3_a3_s1_e6_c8", "a3: an expanding convolution that is not 1×1 cannot"),
        ("ir_r1_k3_p3_s1_e6_c8", "p3: a projecting convolution that is not 1×1 cannot"),
        ("ir_r1_k3_s1_e6_c8_cc4", "cc4: CondConv experts cannot be expressed"),
        ("ds_r1_k3_s1_e1_c8_d1", "d1: space to depth cannot be expressed"),
        ("er_r1_k3_s1_e4_gs64_c8", "gs64: convolutions in groups cannot be expressed"),
        ("ir_r1_k3_s1_e4_c8_nmi", "nmi: the activation Mish cannot be expressed"),
        ("uir_r1_a3_k5_s2_e4_c8", "uir: universal inverted residuals cannot be expressed"),
        ("mqa_r1_k3_h4_s1_d64_c8", "mqa: attention cannot be expressed"),
    ],
)
def test_a_wrong_block_string_is_named(text: str, named: str) -> None:
    with pytest.raises(SpecError, match=named) as error:
        stage_from_string(text)
    assert repr(text) in one_line(error)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("cn_r1_k3_s1_c8", StageSpec("conv", 3, 1, 1, 8, 1, skip="none")),
        ("cn_r1_k3_s1_e1_c8_skip", StageSpec("fused", 3, 1, 1, 8, 1)),
        ("ds_r1_k3_s1_e1_c8", StageSpec("mbconv", 3, 1, 1, 8, 1)),
        ("ir_r1_k3_s1_e1_c8", StageSpec("mbconv", 3, 1, 1, 8, 1, expand_always=True)),
        ("er_r1_k3_s1_e1_c8", StageSpec("fused", 3, 1, 1, 8, 1, expand_always=True)),
        (
            "er_r1_k3_s1_e4_c24_fc24_noskip",
            StageSpec("fused", 3, 1, 4, 24, 1, skip="none", expand_ch=96),
        ),
        ("er_r1_k3_s1_e4_c24_x90", StageSpec("fused", 3, 1, 4, 24, 1, expand_ch=90)),
        ("dsa_r2_k3_s1_c8_nr6", StageSpec("dsconv", 3, 1, 1, 8, 2, skip="none", act="relu6")),
        (
            "ir_r1_k5_s1_e1_c8_x24_nhs",
            StageSpec("mbconv", 5, 1, 1, 8, 1, 0, "identity", "hard_swish", 24),
        ),
        ("basic_r2_k3_s2_c8", StageSpec("basic", 3, 2, 1, 8, 2)),
        (
            "bottleneck_r2_k3_s2_e0.25_c8_pool",
            StageSpec("bottleneck", 3, 2, 0.25, 8, 2, 0, "pooled"),
        ),
    ],
)
def test_each_kind_has_its_string(text: str, stage: StageSpec) -> None:
    assert stage_from_string(text) == stage
    assert stage_to_string(stage) == text


def test_a_document_from_before_the_newer_fields_still_loads() -> None:
    document = json.loads(spec_to_json(BASE))
    newer = ("stem_pool", "head", "hidden_ch", "padding", "expand_divisor", "se", "hidden_bias")
    for name in newer:
        document["arch"].pop(name)
    for stage in document["arch"]["stages"]:
        del stage["act"], stage["expand_ch"], stage["expand_always"]
    assert spec_from_json(json.dumps(document)) == BASE


def test_fingerprints_are_those_that_runs_have_stored() -> None:
    assert fingerprint(catalog_spec("efficientnet_b0")) == "1e17ed27f2089fd0"
    assert fingerprint(catalog_spec("efficientnetv2_s")) == "38fdfbb09474c3ba"


def with_first_stage(**changes: object) -> ArchSpec:
    first, *rest = BASE.stages
    return replace(BASE, stages=(replace(first, **changes), *rest))  # type: ignore[arg-type]


@given(spec=arch_specs())
def test_a_fingerprint_is_blind_to_names_and_to_how_stages_are_split(spec: ArchSpec) -> None:
    split = tuple(
        replace(stage, repeats=1, stride=stage.stride if i == 0 else 1)
        for stage in spec.stages
        for i in range(stage.repeats)
    )
    assert fingerprint(replace(spec, name="other", stages=split)) == fingerprint(spec)


def test_a_fingerprint_takes_0_and_0_0_for_the_same() -> None:
    assert fingerprint(replace(BASE, drop_path=0)) == fingerprint(replace(BASE, drop_path=0.0))


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, resolution=192),
        replace(BASE, num_classes=10),
        replace(BASE, act="relu"),
        replace(BASE, in_ch=1),
        replace(BASE, stem_stride=1),
        replace(BASE, head_ch=1024),
        replace(BASE, dropout=0.3),
        replace(BASE, drop_path=0.1),
        replace(BASE, bn_eps=1e-4),
        replace(BASE, stages=BASE.stages[:-1]),
        with_first_stage(kernel=5),
        with_first_stage(se_ratio=0.25),
        with_first_stage(kind="fused"),
        with_first_stage(expand=2),
        with_first_stage(repeats=2),
        with_first_stage(act="relu"),
        with_first_stage(expand_ch=40),
        with_first_stage(expand_always=True),
        with_first_stage(kind="dsconv"),
        with_first_stage(skip="pooled"),
        replace(BASE, padding="same"),
        replace(BASE, stem_pool=True),
        replace(BASE, head="none"),
        replace(BASE, hidden_ch=64),
        replace(BASE, hidden_ch=64, hidden_bias=False),
    ],
)
def test_a_fingerprint_tells_networks_apart(other: ArchSpec) -> None:
    assert fingerprint(other) != fingerprint(BASE)


def test_a_fingerprint_sees_a_residual() -> None:
    stage = StageSpec("mbconv", 3, 1, 2, 8, 2)
    with_skip = ArchSpec("one", 16, (stage,))
    without = replace(with_skip, stages=(replace(stage, skip="none"),))
    assert fingerprint(with_skip) != fingerprint(without)
