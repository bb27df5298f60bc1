"""A bad input gets one line on stderr, status 2, and leaves nothing behind."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_to_json
from tests.conftest import TINY_SEARCH, Caller, Outcome

DIGITS = ("--data", "digits", "--limit", 200)
SEARCH = ("search", *DIGITS, "--out", "out", "--target-macs", "2M")
SCALE = ("scale", "mobilenetv2")
GRID = (*SCALE, "--grid", "--list")
COUNTED = (*GRID, "--constraint", "counted", "--alpha", "1:1.1")
RUN = ("run", *DIGITS, "--out", "out", "--target-macs", "2M")


def assert_refused(outcome: Outcome, message: str, status: int = 2) -> None:
    assert outcome.out == ""
    assert outcome.err.startswith("nas: ")
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1, outcome.err
    assert message in outcome.err
    assert outcome.status == status


def without(words: tuple[object, ...], option: str) -> tuple[object, ...]:
    place = words.index(option)
    return (*words[:place], *words[place + 2 :])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*SEARCH, "--space", "mixd"), "no space is called 'mixd'; did you mean 'mixed'?"),
        ((*SEARCH, "--sampler", "tpee"), "no sampler is called 'tpee'; did you mean 'tpe'?"),
        ((*SEARCH, "--data", "digit"), "digit: no such file or folder; did you mean digits?"),
        ((*SEARCH, "--objective", "softer"), "no objective is called 'softer'; did you mean"),
        ((*SEARCH, "--exponent", "0.5"), "exponent is 0.5; it must lie between -10 and 0"),
        ((*SEARCH, "--recipe", "slow"), "no recipe is called 'slow'"),
        ((*SEARCH, "--set", "lrr=0.1"), "there is no 'lrr'; did you mean 'lr'?"),
        ((*SEARCH, "--set", "lr"), "write it as lr=0.1"),
        ((*SEARCH, "--device", "gpu"), "no device is called 'gpu'"),
        ((*SEARCH, "--target-macs", "2X"), "--target-macs '2X' cannot be read; write it as 2M"),
        ((*SEARCH, "--target-macs", "1G"), "has 1000M MACs; it reaches 0."),
        ((*SEARCH, "--target-macs", "1k"), "it reaches 0."),
        ((*SEARCH, "--time", "soon"), "--time 'soon' cannot be read; write it as 90s, 30m or 2h"),
        ((*SEARCH, "--resolution", 9999), "resolution is 9999; it must be a whole number"),
        ((*SEARCH, "--limit", 40), "training images are fewer than one batch of 64"),
        ((*SEARCH, "--trials", "many"), "Invalid value for '--trials'"),
        ((*SEARCH, "--trials", 0), "Invalid value for '--trials'"),
        ((*SEARCH, "--seed", -1), "Invalid value for '--seed'"),
        (without(SEARCH, "--target-macs"), "Missing option '--target-macs'"),
        ((*SEARCH, "--cost", "latency"), "for latency give --cost latency --target AMOUNT"),
        ((*SEARCH, "--at-most", "params=3"), "has params 3 or less; it reaches"),
        ((*SEARCH, "--at-most", "parms=3M"), "did you mean 'params'"),
        ((*without(SEARCH, "--target-macs"), "--objective", "v2"), "Missing option '--target'"),
        ((*SEARCH, "--objective", "nowhere:reward"), "there is no module 'nowhere'"),
        ((*SEARCH, "--objective", "math:sqroot"), "has no function 'sqroot'; did you mean sqrt"),
        ((*without(SEARCH, "--target-macs"), "--objective", "math:hypot"), "failed at accuracy"),
        ((*SEARCH, "--table", "none.json"), "there is no such table"),
        (without(SEARCH, "--data"), "Missing option '--data'"),
        (without(SEARCH, "--out"), "Missing option '--out'"),
        ((*SEARCH, "--spaec", "fused"), "No such option: --spaec"),
        ((*RUN, "--format", "spec,tflite"), "no format is called 'tflite'; the formats are spec"),
        ((*RUN, "--phi", "0-3"), "φ '0-3' cannot be read"),
        ((*RUN, "--phi", "0,1,0"), "asks for a member twice"),
        ((*RUN, "--phi", "0:20"), "φ is 9; it must lie between -6 and 8"),
        ((*RUN, "--alpha", "2:1"), "alpha runs from 2.0 to 1.0"),
        ((*RUN, "--alpha", "1", "--beta", "1", "--gamma", "1"), "no α·β²·γ² is within 0.1 of 2"),
        ((*RUN, "--divisor", 0), "Invalid value for '--divisor'"),
        ((*RUN, "--constraint", "real"), "no constraint is called 'real'"),
        ((*RUN, "--step", 0), "step is 0.0; it must be a positive number"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("cost", "efficientnet_b00"), "did you mean"),
        (("cost", "none.json"), "none.json: there is no such file or run folder"),
        (("cost", "mobilenetv2", "--batch", 0), "Invalid value for '--batch'"),
        (("cost", "mobilenetv2", "--resolution", 9999), "resolution is 9999"),
        (("cost",), "Missing argument 'ARCH'"),
        (("export", "mobilenetv2", "--format", "pickle"), "no format is called 'pickle'"),
        (("export", "mobilenetv2", "--data", "nowhere"), "nowhere: no such file or folder"),
        (("train", "mobilenetv2"), "--data is missing: digits, cifar10"),
        (("train", "mobilenetv2", "--data", "nowhere", "--out", "out"), "nowhere: no such file"),
        (("train", "nothing.safetensors", *DIGITS), "nothing.safetensors: there is no such file"),
        (("scale", "mobilenetv2", "--grid"), "--data is missing (digits"),
        (("scale", "mobilenetv2", "--phi", "x"), "φ 'x' cannot be read"),
        (("scale", "mobilenetv2", "--constants", "1,2"), "three numbers α,β,γ are wanted"),
        (("scale", "mobilenetv2", "--target-macs", "2M,x"), "'x' cannot be read"),
        ((*SCALE, "--phi", "1", "--constants", "0.5,1,1"), "alpha is 0.5; it must be at least 1"),
        ((*SCALE, "--target-macs", "1G", "--constants", "1,0.9,1"), "beta is 0.9; it must be"),
        ((*SCALE, "--phi", 40), "φ is 40; it must lie between -6 and 8"),
        ((*SCALE, "--phi", 8, "--constants", "1,1,1.5"), "from 224 to 5741 pixels"),
        ((*SCALE, "--phi", -6, "--constants", "1,1,1.5"), "from 224 to 19.67 pixels"),
        ((*SCALE, "--phi", 8, "--constants", "1,1.5,1"), "multiplies the width of mobilenetv2 by"),
        ((*SCALE, "--phi", 8, "--constants", "2,1,1"), "multiplies the depth of mobilenetv2 by"),
        ((*SCALE, "--target-macs", "1k"), "φ from -6 to 8 gives 24.49M to"),
        ((*SCALE, "--target-macs", "900T"), "900T MACs cannot be reached from mobilenetv2: φ from"),
        ((*SCALE, "--phi", "1", "--target-macs", "1G"), "--phi and --target-macs each say"),
        ((*SCALE, "--phi", "1", "--published"), "--phi and --published each say"),
        ((*SCALE, "--published"), "no family was published of 'mobilenetv2'; --published lists"),
        (("scale", "efficientnet_b0", "--published", "--resolution", 96), "leave resolution and"),
        ((*SCALE, "--published", "--divisor", 4), "leave rounding options out"),
        ((*SCALE, "--divisor", 0), "Invalid value for '--divisor'"),
        ((*SCALE, "--late-layers", 9), "rounding: late_layers is 9.0; it must lie between 0 and 4"),
        ((*SCALE, "--device", "gpu"), "no device is called 'gpu'"),
        ((*SCALE, "--device", "cuda:x", "--memory", "8GiB"), "no device is called 'cuda:x'"),
        ((*SCALE, "--memory", "much"), "--memory 'much' cannot be read; write it as 512MiB"),
        ((*SCALE, "--batch", 0), "Invalid value for '--batch'"),
        ((*SCALE, "--step-time", "--table", "t.json"), "--step-time measures and --table predicts"),
        ((*SCALE, "--table", "t.json"), "t.json: there is no such table"),
        ((*SCALE, "--recipe", "slow"), "no recipe is called 'slow'"),
        ((*GRID, "--constraint", "real"), "no constraint is called 'real'; it is nominal or"),
        (
            (*GRID, "--tolerance", "0.00001", "--alpha", "1:1.1"),
            "the nearest is 1.99962 at 1.05,1.2,1.15",
        ),
        (
            (*COUNTED, "--beta", "1", "--gamma", "1"),
            "no counted MACs ratio of mobilenetv2 is within",
        ),
        ((*GRID, "--phi", "0:3"), "--phi is of a family, and --grid looks for its constants"),
        ((*GRID, "--memory", "8GiB"), "--memory is of a family"),
        (("report", "nowhere"), "nowhere: not a run folder (it has no run.toml)"),
        (("doctor", "--data", "nowhere"), "nowhere: no such file or folder"),
        (("bench", "speed"), "no bench is called 'speed'; they are all, cost"),
    ],
)
def test_a_bad_input_gets_one_line(
    call: Caller, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call(*words), message)
    assert list(tmp_path.iterdir()) == []


def broken(document: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    *path, last = place.split(".")
    inner: Any = copy
    for part in path:
        inner = inner[int(part) if part.isdigit() else part]
    inner[last] = value
    return copy


DOCUMENT = json.loads(spec_to_json(catalog_spec("mobilenetv2")))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("arch.stages.0.kernel", 4, "stage: kernel is 4; it must be odd, such as 3 or 5"),
        ("arch.stages.2.repeats", 0, "stage: repeats is 0; it must be a whole number from 1"),
        ("arch.stages.1.expand", 0.5, "stage: expand is 0.5; it must lie between 1 and 64"),
        ("arch.stages.1.kind", "dense", "'basic' or 'bottleneck'"),
        ("arch.stages.1.surprise", 1, "arch.stages.1.surprise"),
        ("arch.stages", [], "stages is empty"),
        ("arch.resolution", "big", "resolution"),
        ("version", 99, "version 99 is newer than 1"),
        ("version", "one", "version is 'one'"),
        ("format", "onnx", "not an architecture; its format must be 'compound-nas/arch'"),
    ],
)
@pytest.mark.parametrize("command", ["cost", "train"])
def test_a_spec_that_makes_no_sense_gets_one_line(
    call: Caller, tmp_path: Path, command: str, place: str, value: object, message: str
) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(broken(DOCUMENT, place, value)))
    more = (*DIGITS, "--out", "out") if command == "train" else ()
    outcome = call(command, "spec.json", *more)
    assert_refused(outcome, message.removeprefix("arch."))
    assert "spec.json" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"arch": {}}'])
def test_a_spec_that_is_broken_gets_one_line(call: Caller, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spec.json").write_bytes(content)
    for words in (("cost", "spec.json"), ("scale", "spec.json"), ("export", "spec.json")):
        assert_refused(call(*words), "spec.json: ")
    assert [path.name for path in tmp_path.iterdir()] == ["spec.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--limit", 300), "was made for data digits ("),
        (("--space", "fused"), "was made for space mixed, not fused"),
        (("--target-macs", "3M"), "was made for target 2000000.0, not 3000000.0"),
        (("--seed", 1), "was made for"),
        (("--set", "lr=0.01"), "was made for recipe value lr 0."),
        (("--search-epochs", 2), "was made for epochs 1, not 2"),
    ],
)
def test_a_folder_made_for_something_else_is_left_as_it_is(
    call: Caller, run_folder: Path, change: tuple[object, ...], message: str
) -> None:
    before = contents(run_folder)
    outcome = call("search", *TINY_SEARCH, "--set", "epochs=2", *change, "--out", run_folder)
    assert_refused(outcome, message)
    assert "choose another folder with --out" in outcome.err
    assert contents(run_folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_other_files_is_left_as_it_is(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    assert_refused(call(*SEARCH), "out holds other files; choose an empty folder")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    assert_refused(call(*SEARCH, "--out", "file"), "file is a file; choose a folder with --out")


def test_a_folder_in_use_fails_with_status_1(call: Caller, run_folder: Path) -> None:
    from experiments.store import RunFolder

    with RunFolder(run_folder).lock():
        outcome = call("search", *TINY_SEARCH, "--set", "epochs=2", "--out", run_folder)
    assert_refused(outcome, "another process is working in this run folder", status=1)


def test_a_run_that_has_nothing_to_report_yet(call: Caller, run_folder: Path) -> None:
    (run_folder / "best.json").unlink()
    outcome = call("report", run_folder)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)


def test_run_files_that_are_damaged_get_one_line(call: Caller, run_folder: Path) -> None:
    damaged = {"run.toml": "[", "best.json": "{", "scaling/constants.json": "{"}
    for name, content in damaged.items():
        path = run_folder / name
        kept = path.read_text()
        path.write_text(content)
        words = ("report", run_folder) if name == "run.toml" else ("scale", run_folder)
        assert_refused(call(*words), Path(name).name)
        path.write_text(kept)


def test_a_checkpoint_that_is_damaged_gets_one_line(call: Caller, run_folder: Path) -> None:
    path = next((run_folder / "family").glob("*_phi0.safetensors"))
    path.write_bytes(path.read_bytes()[:1000])
    for words in (("export", run_folder), ("cost", path), ("export", path)):
        assert_refused(call(*words), "not a safetensors file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_gets_one_line(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert_refused(call(*SEARCH, "--out", "locked/out"), "cannot write")


def test_a_fault_of_the_program_itself_is_one_line_too(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr("experiments.listing.cost_document", fails)
    outcome = call("cost", "mobilenetv2")
    assert_refused(outcome, "failed unexpectedly: ZeroDivisionError: first line second line", 1)
    assert "NAS_DEBUG=1 shows where" in outcome.err


def test_stopping_it_says_how_to_go_on(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.listing.cost_document", stops)
    assert_refused(call("cost", "mobilenetv2"), "the same command goes on", status=130)


def test_a_process_of_its_own_says_the_same(
    nas: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    for words, message in ((SEARCH[:-1], "--target-macs"), ((*SEARCH, "--space", "x"), "'x'")):
        done = nas(*words)
        assert_refused(Outcome(done.returncode, done.stdout, done.stderr), message)
    assert list(tmp_path.iterdir()) == []


def test_the_broken_documents_above_are_broken_in_one_place_only(
    call: Caller, tmp_path: Path
) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(DOCUMENT))
    assert call("cost", "spec.json", "--json").status == 0
