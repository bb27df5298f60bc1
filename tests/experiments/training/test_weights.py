import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from experiments.training.weights import load_weights, weights_digest
from search_spaces.dialects import DIALECTS
from search_spaces.errors import InputError
from search_spaces.foreign import renamed
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec


def saved(network: Network, path: Path, names: dict[str, str] | None = None) -> Path:
    state = {
        (names or {}).get(name, name): value.contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, path)
    return path


@pytest.fixture
def trained(tiny: ArchSpec) -> Network:
    torch.manual_seed(9)
    network = build(tiny)
    with torch.no_grad():
        for buffer in network.buffers():
            buffer.add_(1)
    return network


def test_weights_and_statistics_are_taken(trained: Network, tiny: ArchSpec, tmp_path: Path) -> None:
    network = build(tiny)
    load_weights(network, saved(trained, tmp_path / "w.safetensors"))
    wanted = trained.state_dict()
    assert all(torch.equal(v, wanted[name]) for name, v in network.state_dict().items())


@pytest.mark.parametrize("dialect", [None, "timm", "torchvision_efficientnet"])
def test_a_classifier_of_other_classes_stays_new(
    trained: Network, tiny: ArchSpec, tmp_path: Path, dialect: str | None
) -> None:
    names = renamed(tiny, DIALECTS[dialect]) if dialect else None
    path = saved(trained, tmp_path / "w.safetensors", names)
    network = build(tiny, 4)
    own = network.classifier.weight.clone()
    load_weights(network, path)
    assert torch.equal(network.classifier.weight, own)
    wanted = trained.state_dict()
    body = {k: v for k, v in network.state_dict().items() if not k.startswith("classifier")}
    assert all(torch.equal(value, wanted[name]) for name, value in body.items())
    same = build(tiny)
    load_weights(same, path)
    assert torch.equal(same.classifier.weight, trained.classifier.weight)


def test_the_first_layer_that_differs_is_named(
    trained: Network, tiny: ArchSpec, tmp_path: Path
) -> None:
    path = saved(trained, tmp_path / "w.safetensors")
    wider = replace(tiny, stages=(tiny.stages[0], replace(tiny.stages[1], out_ch=24)))
    with pytest.raises(InputError) as refused:
        load_weights(build(wider), path)
    assert str(refused.value) == (
        f"{path}: weights of another architecture: stages.1.0.path.project.conv.weight is "
        "(16, 16, 1, 1) there and (24, 16, 1, 1) in the network"
    )
    deeper = replace(tiny, stages=(tiny.stages[0], replace(tiny.stages[1], repeats=2)))
    with pytest.raises(InputError, match=r"they have no stages\.1\.1\.path\.expand\.conv\.weight"):
        load_weights(build(deeper), path)
    shorter = replace(tiny, head="none")
    with pytest.raises(InputError, match=r"they have head\.conv\.weight .* the network has not"):
        load_weights(build(shorter, 3), path)


def test_a_pickle_and_what_is_nothing_at_all_are_refused(tiny: ArchSpec, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="a pickle, which can run any program"):
        load_weights(build(tiny), path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="a pickle, which can run any program"):
        load_weights(build(tiny), path)
    path.write_bytes(b"weights")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_weights(build(tiny), path)
    for read in (lambda p: load_weights(build(tiny), p), weights_digest):
        with pytest.raises(InputError, match=r"no such file|cannot be read"):
            read(tmp_path / "none.safetensors")
    save_file({"features.weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="these weights are not of tiny"):
        load_weights(build(tiny), path)


def test_a_digest_names_the_content(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    first, second, third = (weights_digest(tmp_path / name) for name in "abc")
    assert first == second != third
