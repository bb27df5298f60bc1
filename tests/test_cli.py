"""What each command prints: one strict JSON document, or what a person wants to read."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from nas.samplers import SAMPLERS
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import fingerprint, spec_from_json
from search_spaces.cost import cost
from tests.conftest import TINY_RUN, TINY_SEARCH, Caller


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_cost(call: Caller) -> None:
    document = call("cost", "efficientnet_b0", "--batch", 4, "--json").document
    counted = cost(catalog_spec("efficientnet_b0"), batch=4)
    assert document["macs"] == counted.macs == sum(s["macs"] for s in document["stages"])
    assert document["params"] == counted.params
    for name in ("train_memory_bytes", "inference_memory_bytes"):
        assert document[name] == getattr(counted, name)
        assert [s[name] for s in document["stages"]] == [getattr(s, name) for s in counted.stages]
    assert document["fingerprint"] == fingerprint(catalog_spec("efficientnet_b0"))
    smaller = call("cost", "efficientnet_b0", "--resolution", 32, "--max-stride", 8, "--json")
    assert smaller.document["resolution"] == 32
    assert smaller.document["stages"][-2]["side"] == 4
    assert smaller.err == ""


def test_cost_for_people(call: Caller) -> None:
    outcome = call("cost", "mobilenetv2")
    assert (outcome.status, outcome.err) == (0, "")
    assert f"{cost(catalog_spec('mobilenetv2')).macs:,}" in outcome.out
    assert "MACs are multiply-adds, counted once" in outcome.out


@pytest.mark.parametrize(
    ("option", "kind", "names", "keys"),
    [
        (None, "networks", set(CATALOG), {"macs", "params", "resolution", "source", "top1"}),
        (
            "--spaces",
            "spaces",
            {"mbconv", "fused", "mixed", "accel_nasbench", "nas_bench_macro"},
            {"size", "fewest_macs", "most_macs"},
        ),
        (
            "--samplers",
            "samplers",
            set(SAMPLERS),
            {"about"},
        ),
        (
            "--recipes",
            "recipes",
            {"efficientnet", "efficientnet_v2", "fast", "finetune", "mnasnet", "mobilenet_v2"},
            {"lr", "epochs", "batch_size"},
        ),
    ],
)
def test_list(call: Caller, option: str | None, kind: str, names: set[str], keys: set[str]) -> None:
    words = ("list", option) if option else ("list",)
    document = call(*words, "--json").document
    assert list(document) == [kind]
    assert {entry["name"] for entry in document[kind]} == names
    assert all(keys <= entry.keys() for entry in document[kind])
    for_people = call(*words)
    assert all(name in for_people.out for name in names)


def test_doctor(call: Caller) -> None:
    document = call("doctor", "--json").document
    versions = {package["name"]: package["version"] for package in document["packages"]}
    assert versions["torch"]
    assert document["healthy"] is True
    assert document["devices"][0]["name"] == "cpu"
    assert "data" not in document
    with_data = call("doctor", "--data", "digits", "--limit", 100, "--json").document
    assert sum(with_data["data"]["counts"].values()) == 100
    assert "everything needed is there" in call("doctor").out


def test_doctor_says_what_is_missing_and_how_to_get_it(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    import experiments.doctor

    real = experiments.doctor._version
    lost = {"onnxruntime", "kornia"}
    monkeypatch.setattr(experiments.doctor, "_version", lambda n: None if n in lost else real(n))
    document = call("doctor", "--json").document
    missing = {entry["name"]: entry for entry in document["missing"]}
    assert lost <= set(missing)
    assert missing["onnxruntime"]["get"] == "pip install 'compound-nas[onnx]'"
    assert missing["kornia"]["needed"] is True
    assert document["healthy"] is False
    assert "something needed is missing" in call("doctor").out


def test_search(call: Caller, tmp_path: Path) -> None:
    words = ("search", *TINY_SEARCH, "--space", "fused", "--sampler", "random", "--out", "out")
    outcome = call(*words, "--json")
    assert outcome.status == 0, outcome.err
    best = outcome.document["best"]
    assert {"name", "macs", "params", "reward", "blocks", "evaluations"} <= best.keys()
    assert all(block.startswith(("er_", "cn_")) for block in best["blocks"])
    for path in outcome.document["paths"].values():
        assert Path(path).is_file()
    frame = pd.read_parquet(tmp_path / "out" / "trials.parquet")
    assert frame["duplicate_of"].isna().sum() == 3
    again = call(*words)  # goes on where everything is done
    assert again.status == 0
    assert f"best: {best['name']}" in again.out
    assert len((tmp_path / "out" / "evaluations.jsonl").read_text().splitlines()) == 5


def test_progress_goes_to_stderr(call: Caller) -> None:
    outcome = call("search", *TINY_SEARCH, "--out", "out")
    assert outcome.status == 0
    assert "trial 3/3" in outcome.err
    assert "best" in outcome.err
    assert "trial 3/3" not in outcome.out
    assert "Pareto front" in outcome.out


def test_train_then_export_then_cost_by_folder_and_checkpoint(call: Caller, tmp_path: Path) -> None:
    document = call(
        "train", "mobilenetv2", "--data", "digits", "--limit", 200, "--resolution", 16,
        "--max-stride", 8, "--epochs", 1, "--out", "out", "--json",
    ).document  # fmt: skip
    assert 0 <= document["test_accuracy"] <= 1
    assert document["epochs"] == 1
    assert document["resolution"] == 16
    checkpoint = Path(document["checkpoint"])
    assert checkpoint.is_file()
    for arch in ("out", str(checkpoint)):
        counted = call("cost", arch, "--json").document
        assert counted["macs"] == document["macs"]
        assert counted["num_classes"] == 10
    exported = call("export", "out", "--format", "spec,safetensors", "--json").document
    assert exported["trained"] is True
    assert [item["format"] for item in exported["files"]] == ["spec", "safetensors"]
    assert Path(exported["manifest"]) == tmp_path.joinpath("out/export/manifest.json").relative_to(
        tmp_path
    )


def test_export_of_a_network_nobody_trained(call: Caller, tmp_path: Path) -> None:
    words = ("export", "mobilenetv2", "--format", "spec", "--out", "out")
    document = call(*words, "--json").document
    assert document["trained"] is False
    assert spec_from_json((tmp_path / "out" / "mobilenetv2.json").read_text()) == catalog_spec(
        "mobilenetv2"
    )
    assert "this network has not been trained" in call(*words).out


def test_run_prints_one_document(finished_run: tuple[Path, str]) -> None:
    _, out = finished_run
    document = strict(out)
    roles = [row["role"] for row in document["results"]]
    assert roles == ["base", "φ = 1", "baseline", "baseline"]
    base, _, *baselines = document["results"]
    assert [row["name"] for row in baselines] == ["mobilenetv2_fitted", "efficientnet_b0_fitted"]
    for row in baselines:
        assert row["macs"] == pytest.approx(base["macs"], rel=0.1)
        assert row["seeds"] == base["seeds"] == 2
        assert row["deviation"] is not None
    for path in document["paths"].values():
        assert Path(path).exists()
    assert document["summary"]


def test_a_run_leaves_what_the_readme_promises(finished_run: tuple[Path, str]) -> None:
    folder, _ = finished_run
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "run.toml",
        "study.db",
        "trials.parquet",
        "best.json",
        "front.json",
        "scaling/grid.parquet",
        "scaling/constants.json",
        "family/family.json",
        "family/mixed_2M_phi0.safetensors",
        "family/mixed_2M_phi1.safetensors",
        "export/manifest.json",
        "export/mixed_2M_phi0.onnx",
        "ledger.json",
        "evaluations.jsonl",
        "results.json",
    }
    assert not [name for name in names if Path(name).name.startswith(".") and name != ".lock"]


def test_a_finished_run_is_not_done_again(call: Caller, run_folder: Path) -> None:
    kept = ("evaluations.jsonl", "best.json", "front.json", "scaling/constants.json")
    before = {name: (run_folder / name).read_bytes() for name in kept}
    results = json.loads((run_folder / "results.json").read_text())
    outcome = call("run", *TINY_RUN, "--out", run_folder, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.document["results"] == results
    assert {name: (run_folder / name).read_bytes() for name in kept} == before


def test_report(call: Caller, finished_run: tuple[Path, str], run_folder: Path) -> None:
    document = call("report", run_folder, "--json").document
    assert document["results"] == strict(finished_run[1])["results"]
    assert set(document["paths"]) >= {"base", "trials", "constants", "family", "export"}
    for_people = call("report", run_folder)
    assert for_people.status == 0
    assert "mobilenetv2_fitted" in for_people.out


def test_a_run_is_an_architecture_to_scale_and_export(call: Caller, run_folder: Path) -> None:
    family = call("scale", run_folder, "--phi", "0:1", "--json").document
    assert family["constants"]["source"] == "this run's grid"
    exported = call("export", run_folder, "--format", "onnx", "--json").document
    assert exported["trained"] is True
    assert exported["files"][0]["largest_difference"] < 1e-4


def test_grid_with_the_runs_own_data(call: Caller, run_folder: Path) -> None:
    words = ("scale", run_folder, "--grid", "--candidates", 2, "--grid-epochs", 1, "--json")
    done = (run_folder / "evaluations.jsonl").read_text()
    document = call(*words).document
    assert len(document["candidates"]) == 2
    assert (run_folder / "evaluations.jsonl").read_text() == done  # trained in the run already
    assert {"alpha", "beta", "gamma", "score"} <= document["constants"].keys()
    assert Path(document["paths"]["grid"]).is_file()


def test_grid_of_a_catalog_network(call: Caller, tmp_path: Path) -> None:
    document = call(
        "scale", "mobilenetv2", "--grid", "--data", "digits", "--limit", 200, "--resolution", 8,
        "--max-stride", 4, "--candidates", 1, "--grid-epochs", 1, "--out", "out", "--json",
    ).document  # fmt: skip
    (candidate,) = document["candidates"]
    assert candidate["deviation"] is None  # one seed has none, and NaN is not JSON
    assert (tmp_path / "out" / "scaling" / "constants.json").is_file()


def test_without_words_the_command_helps(call: Caller) -> None:
    outcome = call()
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == call("--help").out
    for name in ("run", "search", "scale", "train", "export", "report", "cost", "list", "doctor"):
        assert f" {name} " in outcome.out


def test_a_process_of_its_own(nas: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = nas("cost", "mobilenetv2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout)["macs"] == cost(catalog_spec("mobilenetv2")).macs


def test_a_folder_of_nas_train_is_trained_on_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    data = load_digits()
    np.savez(tmp_path / "data.npz", images=(data.images * 15).astype("uint8"), labels=data.target)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = ("--data", "data.npz", "--limit", 200, "--resolution", 8, "--max-stride", 2)
    short = ("--epochs", 1, "--json", "--out")
    first = call("train", "mobilenetv2@0.1", *asked, *short, "first").document
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = call("train", "../first", *short, "again").document
    assert again["test_accuracy"] == first["test_accuracy"]
    exported = call("export", "../first", "--format", "onnx", "--json").document
    assert exported["files"][0]["largest_difference"] < 1e-4
