import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.arch import adapted, resolve_arch
from experiments.checkpoint import save_network
from experiments.config import RunConfig
from experiments.session import Session
from experiments.store import RunFolder
from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.network import build
from search_spaces.spec import ArchSpec
from tests.conftest import Caller


def put_checkpoint(session: Session, path: Path, spec: ArchSpec) -> None:
    save_network(path, build(spec), session.info(spec, session.config.recipe, 0))


def test_a_catalog_name() -> None:
    arch = resolve_arch("mobilenetv2")
    assert arch.spec == catalog_spec("mobilenetv2")
    assert (arch.run, arch.checkpoint, arch.info) == (None, None, None)


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_a_network_of_timm(call: Caller) -> None:
    arch = resolve_arch("timm:lcnet_050")
    assert (arch.spec.name, cost(arch.spec).params) == ("lcnet_050", 1_880_856)
    assert (arch.run, arch.checkpoint, arch.info) == (None, None, None)
    assert call("cost", "timm:lcnet_050", "--json").document["params"] == 1_880_856
    family = call("scale", "timm:lcnet_050", "--phi", "0:1", "--json").document
    assert [member["phi"] for member in family["members"]] == [0, 1]
    refused = call("cost", "timm:mixnet_s")
    message = "nas: timm:mixnet_s: blocks.1.0: mixed kernels [1, 1] cannot be expressed\n"
    assert (refused.status, refused.out, refused.err) == (2, "", message)


def test_a_spec_file(tiny: ArchSpec, tmp_path: Path) -> None:
    path = tmp_path / "net_2.5M.json"
    path.write_text(spec_to_json(tiny))
    assert resolve_arch(str(path)).spec == tiny


def test_a_checkpoint(session: Session, tiny: ArchSpec, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    put_checkpoint(session, path, tiny)
    arch = resolve_arch(str(path))
    assert (arch.spec, arch.checkpoint, arch.run) == (tiny, path, None)
    assert arch.info is not None
    assert arch.info.classes == session.data.classes


def test_a_run_folder_is_its_best_with_its_weights_once_trained(
    session: Session, tiny: ArchSpec
) -> None:
    folder = session.folder
    folder.best_path.write_text(spec_to_json(tiny))
    arch = resolve_arch(str(folder.path))
    assert (arch.spec, arch.checkpoint) == (tiny, None)
    assert arch.run is not None
    assert arch.run.path == folder.path
    checkpoint = folder.family_path / "tiny_phi0.safetensors"
    put_checkpoint(session, checkpoint, replace(tiny, name="tiny_phi0"))
    arch = resolve_arch(str(folder.path))
    assert arch.checkpoint == checkpoint
    assert arch.info is not None


def test_a_folder_of_nas_train_is_its_checkpoint(session: Session, tiny: ArchSpec) -> None:
    with pytest.raises(InputError, match="has no best network yet; run `nas search` there first"):
        resolve_arch(str(session.folder.path))
    path = session.folder.path / "tiny.safetensors"
    put_checkpoint(session, path, tiny)
    arch = resolve_arch(str(session.folder.path))
    assert (arch.spec, arch.checkpoint) == (tiny, path)
    put_checkpoint(session, session.folder.path / "other.safetensors", tiny)
    with pytest.raises(InputError, match="has no best network yet"):
        resolve_arch(str(session.folder.path))


def test_what_is_none_of_the_five_is_refused(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "bad.json").write_text('{"format": "other"}')
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    for text, message in {
        "efficientnet_b00": "did you mean",
        "tinynet_a": "timm:NAME reads one of timm's",
        str(tmp_path / "none.json"): "there is no such file or run folder",
        str(tmp_path / "none"): "there is no such file or run folder",
        "none.json": "there is no such file or run folder",
        str(tmp_path / "none.safetensors"): "there is no such file",
        str(tmp_path / "bad.json"): "not an architecture",
        str(tmp_path / "latin.json"): "not a spec file",
        str(tmp_path / "empty"): "not a run folder (it has no run.toml)",
    }.items():
        with pytest.raises(InputError) as refused:
            resolve_arch(text)
        assert message in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_broken_best_is_named(tmp_path: Path, config: RunConfig) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(config)
    folder.best_path.write_text("{")
    with pytest.raises(InputError, match=r"best\.json: not JSON"):
        resolve_arch(str(folder.path))


def test_adapting_changes_only_what_is_asked() -> None:
    spec = catalog_spec("efficientnet_b0")
    assert adapted(spec) == spec
    assert adapted(spec, resolution=64) == replace(spec, resolution=64)
    small = adapted(spec, resolution=32, max_stride=8)
    assert (small.total_stride, small.resolution) == (8, 32)
    assert [s.out_ch for s in small.stages] == [s.out_ch for s in spec.stages]
