import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from experiments.arch import Arch, resolve_arch
from experiments.checkpoint import TrainingInfo, load_network
from experiments.config import RunConfig
from experiments.data import load_data
from experiments.device import Device
from experiments.export import FORMATS, Exported, export_network, parse_formats
from experiments.export_step import export_arch, export_document, export_folder
from experiments.prepare import data_config
from experiments.progress import Reporter
from experiments.recipes import load_recipe
from experiments.session import Session
from experiments.store import RunFolder
from experiments.tensors import Normalize
from search_spaces.catalog import catalog_spec
from search_spaces.codec import fingerprint, spec_from_json
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

ALL = ("spec", "onnx", "safetensors")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, tiny: ArchSpec, cpu: Device) -> Path:
    """Trains a network whose name has a point in it, as `mixed_2.5M` has."""
    data, recipe = load_data("digits", limit=400), load_recipe("fast", {"epochs": 2})
    folder = RunFolder(tmp_path_factory.mktemp("trained"))
    config = RunConfig(seed=0, data=data_config(data, limit=400, seed=0), recipe=recipe)
    session = Session(folder, config, data, cpu, Reporter())
    path = folder.path / "tiny_2.5M.safetensors"
    session.train_final(replace(tiny, name="tiny_2.5M"), path, recipe=recipe, seed=0)
    return path


@pytest.fixture(scope="module")
def exported(
    checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Exported]]:
    folder = tmp_path_factory.mktemp("export")
    return folder, export_arch(resolve_arch(str(checkpoint)), folder, ALL)


def test_each_format_has_its_file_named_in_full(exported: tuple[Path, list[Exported]]) -> None:
    folder, items = exported
    assert [item.format for item in items] == list(ALL)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "tiny_2.5M.json",
        "tiny_2.5M.onnx",
        "tiny_2.5M.safetensors",
    ]


def test_the_files_agree_with_torch(exported: tuple[Path, list[Exported]]) -> None:
    differences = {item.format: item.largest_difference for item in exported[1]}
    assert differences["spec"] is None
    assert differences["safetensors"] == 0
    assert differences["onnx"] is not None
    assert 0 <= differences["onnx"] < 1e-4


def test_the_spec_is_the_networks(checkpoint: Path, exported: tuple[Path, list[Exported]]) -> None:
    spec = spec_from_json((exported[0] / "tiny_2.5M.json").read_text())
    assert spec == resolve_arch(str(checkpoint)).spec


@pytest.mark.parametrize("batch", [1, 5])
def test_onnxruntime_says_what_torch_says_at_any_batch(
    checkpoint: Path, exported: tuple[Path, list[Exported]], batch: int
) -> None:
    network, info = load_network(checkpoint)
    data = load_data("digits", limit=400)
    images = torch.from_numpy(data.images[data.test[:batch]]).permute(0, 3, 1, 2)
    inputs = Normalize(info.mean, info.std)(images)
    session = onnxruntime.InferenceSession(
        exported[0] / "tiny_2.5M.onnx", providers=["CPUExecutionProvider"]
    )
    assert [i.name for i in session.get_inputs()] == ["images"]
    assert [o.name for o in session.get_outputs()] == ["logits"]
    (logits,) = session.run(None, {"images": inputs.contiguous().numpy()})
    with torch.inference_mode():
        expected = network(inputs).numpy()
    assert logits.shape == (batch, 10)
    assert np.abs(logits - expected).max() < 1e-4
    assert np.array_equal(logits.argmax(1), expected.argmax(1))


def test_the_manifest_says_what_is_there_and_how_to_feed_it(
    checkpoint: Path, exported: tuple[Path, list[Exported]]
) -> None:
    folder, _ = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    _, info = load_network(checkpoint)
    assert [file["format"] for file in manifest["files"]] == list(ALL)
    for file in manifest["files"]:
        content = (folder / file["file"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["trained"] is True
    assert manifest["fingerprint"] == fingerprint(info.spec)
    assert manifest["classes"] == list("0123456789")
    assert manifest["preprocessing"]["mean"] == list(info.mean)
    assert manifest["preprocessing"]["std"] == list(info.std)
    assert manifest["preprocessing"]["resolution"] == 8
    assert manifest["metrics"]["test_accuracy"] == info.metrics["test_accuracy"]
    assert manifest["checked_on_images"] == 64


def test_the_document_names_every_file(
    checkpoint: Path, exported: tuple[Path, list[Exported]]
) -> None:
    folder, items = exported
    document = export_document(items, folder, resolve_arch(str(checkpoint)))
    assert document["trained"] is True
    assert document["manifest"] == str(folder / "manifest.json")
    for file, item in zip(document["files"], items, strict=True):
        assert file["bytes"] == item.path.stat().st_size > 0


def test_a_network_nobody_trained_is_exported_as_such(tmp_path: Path, tiny: ArchSpec) -> None:
    items = export_arch(Arch(tiny), tmp_path, ("safetensors",))
    assert json.loads((tmp_path / "manifest.json").read_text())["trained"] is False
    assert export_document(items, tmp_path, Arch(tiny))["trained"] is False


def test_a_file_that_differs_is_removed_and_reported(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(difference: float) -> Callable[..., Exported]:
        def export(network: Any, info: Any, stem: Path, images: Any) -> Exported:
            path = stem.with_name("off.onnx")
            path.write_text("")
            return Exported("onnx", path, difference)

        return export

    for difference in (2e-4, float("nan")):
        monkeypatch.setattr("experiments.export.FORMATS", {"onnx": off(difference)})
        with pytest.raises(RunError, match=r"off\.onnx: differs from torch by .*, over 0\.0001"):
            export_arch(resolve_arch(str(checkpoint)), tmp_path, ("onnx",))
        assert list(tmp_path.iterdir()) == []


def test_data_that_has_moved_is_replaced_by_other_real_images(
    checkpoint: Path, tmp_path: Path
) -> None:
    arch = resolve_arch(str(checkpoint))
    assert arch.info is not None
    gone = replace(arch.info, data={**arch.info.data, "source": str(tmp_path / "gone")})
    items = export_arch(replace(arch, info=gone), tmp_path / "out", ("safetensors",))
    assert items[0].largest_difference == 0
    with pytest.raises(InputError, match="no such file or folder"):
        export_arch(arch, tmp_path / "out", ("spec",), data=str(tmp_path / "gone"))


def test_where_exports_go(tmp_path: Path, tiny: ArchSpec) -> None:
    assert export_folder(Arch(tiny), tmp_path) == tmp_path
    assert export_folder(Arch(tiny), None) == Path("exports/tiny")
    assert export_folder(Arch(tiny, run=RunFolder(tmp_path)), None) == tmp_path / "export"


def test_formats_are_read_and_unknown_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_formats("spec,onnx,safetensors") == ALL
    assert parse_formats(" onnx , spec,onnx") == ("onnx", "spec")
    assert set(FORMATS) == set(ALL)
    for text in ("", " , "):
        with pytest.raises(InputError, match="no format is given; the formats are spec, onnx"):
            parse_formats(text)
    with pytest.raises(InputError, match="no format is called 'tflite'; the formats are"):
        parse_formats("spec,tflite")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert parse_formats("spec") == ("spec",)
    with pytest.raises(InputError, match=r"needs onnx, .*; pip install 'compound-nas\[onnx\]'"):
        parse_formats("onnx")


def test_a_catalog_network_exports_at_its_own_size(tmp_path: Path) -> None:
    spec = replace(catalog_spec("mobilenetv2"), resolution=32)
    (item,) = export_arch(Arch(spec), tmp_path, ("safetensors",), data="digits")
    _, info = load_network(item.path)
    assert isinstance(info, TrainingInfo)
    assert info.spec == spec


def test_exporting_twice_writes_the_same_weights(checkpoint: Path, tmp_path: Path) -> None:
    network, info = load_network(checkpoint)
    images = torch.zeros(2, 3, 8, 8)
    for folder in ("one", "two"):
        export_network(network, info, tmp_path / folder, ("safetensors",), images)
    one, two = (tmp_path / name / "tiny_2.5M.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
