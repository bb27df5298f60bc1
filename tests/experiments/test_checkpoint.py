import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from experiments.checkpoint import TrainingInfo, load_network, read_info, save_network
from search_spaces.errors import InputError
from search_spaces.network import build
from search_spaces.spec import ArchSpec


@pytest.fixture
def info(tiny: ArchSpec) -> TrainingInfo:
    return TrainingInfo(
        spec=tiny,
        classes=tuple("0123456789"),
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        data={"source": "digits", "fingerprint": "f", "split_digest": "s"},
        recipe={"lr": 0.2, "epochs": 2},
        seed=7,
        metrics={"test_accuracy": 0.5, "history": [[1, 0.1, 2.3, None, 0.5]]},
    )


@pytest.fixture
def saved(info: TrainingInfo, tmp_path: Path) -> Path:
    path = tmp_path / "tiny_2.5M.safetensors"
    save_network(path, build(info.spec), info)
    return path


def rewrite(path: Path, **changes: object) -> None:
    """Changes values of the description that a checkpoint carries."""
    with safe_open(path, framework="pt") as file:
        document = json.loads(file.metadata()["compound_nas"])
    document.update(changes)
    save_file(load_file(path), path, {"compound_nas": json.dumps(document)})


def test_a_network_comes_back_as_it_was(info: TrainingInfo, tmp_path: Path) -> None:
    network = build(info.spec)
    with torch.no_grad():
        for buffer in network.buffers():
            buffer.add_(1)
    save_network(tmp_path / "a.safetensors", network, info)
    again, found = load_network(tmp_path / "a.safetensors")
    assert found == info == read_info(tmp_path / "a.safetensors")
    assert not again.training
    assert again.spec == info.spec
    wanted = network.state_dict()
    for name, value in again.state_dict().items():
        assert torch.equal(value, wanted[name])
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"recipe": {"lr": 0.1, "epochs": 2}},
        {"data": {"fingerprint": "g", "split_digest": "s"}},
        {"data": {"fingerprint": "f", "split_digest": "t"}},
    ],
)
def test_the_same_training_is_told_from_others(
    info: TrainingInfo, change: dict[str, object]
) -> None:
    renamed = replace(info, spec=replace(info.spec, name="other"), metrics={})
    assert info.same_training(renamed)
    assert not info.same_training(replace(info, **change))  # type: ignore[arg-type]
    assert not info.same_training(replace(info, spec=replace(info.spec, resolution=9)))


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"a\.safetensors: not a safetensors file"):
        load_network(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"a\.safetensors: not a safetensors file"):
        load_network(path)
    assert not (tmp_path / "exploded").exists()


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match="not a safetensors file"):
        read_info(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_info(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="holds no architecture; only checkpoints of `nas train`"):
        read_info(path)


def test_a_file_cut_short_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a safetensors file"):
        load_network(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "written by a newer version; update compound-nas"),
        ({"version": "x"}, "cannot be read"),
        ({"spec": "{"}, "not JSON"),
        ({"spec": None}, "cannot be read"),
        ({"classes": None}, "cannot be read"),
        ({"surprise": 1}, "cannot be read"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(
    saved: Path, changes: dict[str, object], message: str
) -> None:
    rewrite(saved, **changes)
    with pytest.raises(InputError, match=message) as refused:
        read_info(saved)
    assert str(saved) in str(refused.value)


def test_a_description_that_is_not_json_is_refused(saved: Path) -> None:
    save_file(load_file(saved), saved, {"compound_nas": "{"})
    with pytest.raises(InputError, match="cannot be read"):
        read_info(saved)


def test_weights_that_do_not_fit_are_refused(saved: Path, info: TrainingInfo) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    whole = load_file(saved)
    for name, tensors in {
        "missing": {k: v for k, v in whole.items() if k != "classifier.bias"},
        "another": {**whole, "classifier.bias": torch.zeros(3)},
        "extra": {**whole, "more": torch.zeros(3)},
    }.items():
        path = saved.with_name(f"{name}.safetensors")
        save_file(tensors, path, metadata)
        with pytest.raises(InputError, match="its weights do not fit its architecture") as refused:
            load_network(path)
        assert "\n" not in str(refused.value)
