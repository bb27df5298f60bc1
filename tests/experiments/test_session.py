import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import experiments.session as module
from experiments import evaluating
from experiments.aims import Aim
from experiments.checkpoint import load_network, read_info
from experiments.data import ImageData
from experiments.feeds import open_feed
from experiments.prepare import DataRequest, reopen, start
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.search_request import SearchRequest
from experiments.session import Session
from experiments.store import RunFolder
from experiments.train import Trained, train
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec


class Trainings:
    """Counts trainings and the parts of the data that are made into tensors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.parts: list[np.ndarray] = []
        self.stop_at: int | None = None

        def counted(*args: Any, **kwargs: Any) -> Trained:
            self.count += 1
            report = kwargs.get("on_epoch")

            def on_epoch(record: Any) -> None:
                if report is not None:
                    report(record)
                if record.epoch == self.stop_at:
                    raise KeyboardInterrupt

            return train(*args, **{**kwargs, "on_epoch": on_epoch})

        opened = open_feed

        def noted(data: ImageData, indices: np.ndarray, **rest: Any) -> Any:
            self.parts.append(indices)
            return opened(data, indices, **rest)

        monkeypatch.setattr(module, "train", counted)
        monkeypatch.setattr("experiments.evaluating.train", counted)
        monkeypatch.setattr("experiments.evaluating.open_feed", noted)
        monkeypatch.setattr("experiments.training.loop.open_feed", noted)

    def times(self, part: np.ndarray) -> int:
        return sum(np.array_equal(seen, part) for seen in self.parts)

    def touched(self, part: np.ndarray) -> bool:
        return any(np.isin(seen, part).any() for seen in self.parts)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    return Trainings(monkeypatch)


def test_an_evaluation_is_a_training_done_once(
    session: Session, tiny: ArchSpec, trainings: Trainings
) -> None:
    first = session.evaluate(tiny, seed=1, epochs=1)
    assert session.evaluate(replace(tiny, name="renamed"), seed=1, epochs=1) == first
    assert trainings.count == 1
    assert (first.macs, first.params) == (cost(tiny).macs, cost(tiny).params)
    assert (first.epochs, first.seed, first.test_accuracy) == (1, 1, None)
    assert 0 <= first.accuracy <= 1
    restarted = replace(session)
    assert restarted.evaluate(tiny, seed=1, epochs=1) == first
    assert trainings.count == 1
    for other in (
        {"spec": tiny, "seed": 2, "epochs": 1},
        {"spec": tiny, "seed": 1, "epochs": 2},
        {"spec": replace(tiny, head_ch=40), "seed": 1, "epochs": 1},
    ):
        session.evaluate(**other)  # type: ignore[arg-type]
    assert trainings.count == 4
    assert len(session.log) == 4


def test_an_evaluation_never_looks_at_the_test_part(
    session: Session, tiny: ArchSpec, trainings: Trainings
) -> None:
    session.evaluate(tiny, seed=1, epochs=1)
    assert trainings.times(session.data.train) == trainings.times(session.data.validation) == 1
    assert not trainings.touched(session.data.test)


def test_a_final_training_reads_the_test_part_once_after_it_has_trained(
    session: Session, tiny: ArchSpec, quick: Recipe, trainings: Trainings, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    info = session.train_final(tiny, path, recipe=quick, seed=1)
    assert trainings.times(session.data.test) == 1
    assert np.array_equal(trainings.parts[-1], session.data.test)
    assert session.train_final(tiny, path, recipe=quick, seed=1) == read_info(path)
    assert trainings.times(session.data.test) == 1
    assert trainings.count == 1
    network, loaded = load_network(path)
    assert loaded.metrics["test_accuracy"] == info.metrics["test_accuracy"]
    right = predict(network, session.data) == session.data.labels[session.data.test]
    assert info.metrics["test_accuracy"] == pytest.approx(right.mean())
    assert loaded.classes == session.data.classes
    assert loaded.metrics["epochs"] == 2
    assert loaded.data["fingerprint"] == session.data.fingerprint


def predict(network: torch.nn.Module, data: ImageData) -> np.ndarray:
    pixels = data.images[data.test].astype(np.float32) / 255
    images = ((pixels - data.mean) / data.std).astype(np.float32).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        labels: np.ndarray = network(torch.from_numpy(images)).argmax(1).numpy()
    return labels


def test_a_final_training_that_was_stopped_goes_on(
    session: Session, tiny: ArchSpec, trainings: Trainings, tmp_path: Path
) -> None:
    recipe = load_recipe("fast", {"epochs": 3})
    whole = session.train_final(tiny, tmp_path / "whole.safetensors", recipe=recipe, seed=1)
    path = tmp_path / "net_2.5M.safetensors"
    trainings.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        session.train_final(tiny, path, recipe=recipe, seed=1)
    assert not path.exists()
    assert list(tmp_path.glob(".*.resume"))
    trainings.stop_at = 1  # epoch 1 is not trained again
    info = session.train_final(tiny, path, recipe=recipe, seed=1)
    assert not list(tmp_path.glob(".*"))
    history = [record[:4] for record in info.metrics["history"]]
    assert history == [record[:4] for record in whole.metrics["history"]]
    one, two = (load_network(p)[0].state_dict() for p in (tmp_path / "whole.safetensors", path))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_state_that_outlived_its_training_is_removed(
    session: Session, tiny: ArchSpec, quick: Recipe, trainings: Trainings, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    trainings.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        session.train_final(tiny, path, recipe=quick, seed=1)
    (state,) = tmp_path.glob(".*.resume")
    content = state.read_bytes()
    trainings.stop_at = None
    session.train_final(tiny, path, recipe=quick, seed=1)
    state.write_bytes(content)  # killed between saving the one and removing the other
    session.train_final(tiny, path, recipe=quick, seed=1)
    assert [p.name for p in tmp_path.glob("*") if p.is_file()] == ["net.safetensors"]


def test_a_checkpoint_of_another_training_is_not_overwritten(
    session: Session, tiny: ArchSpec, quick: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    session.train_final(tiny, path, recipe=quick, seed=1)
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds another training; choose another folder"):
        session.train_final(tiny, path, recipe=quick, seed=2)
    assert path.read_bytes() == before


def test_a_run_replaces_the_checkpoint_of_a_former_base(
    session: Session, tiny: ArchSpec, quick: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    session.train_final(tiny, path, recipe=quick, seed=1)
    wider = replace(tiny, head_ch=tiny.head_ch + 8)
    session.train_final(wider, path, recipe=quick, seed=1, replaces=True)
    assert read_info(path).spec == replace(wider, num_classes=session.data.num_classes)


SEARCH = SearchRequest(Aim(2e6), trials=2, epochs=1)


@pytest.mark.parametrize(
    ("request_", "search", "message"),
    [
        (DataRequest("digits", device="gpu"), None, "no device is called 'gpu'"),
        (DataRequest("digit"), None, "did you mean digits?"),
        (DataRequest("digits", recipe="slow"), None, "no recipe is called"),
        (DataRequest("digits", limit=60), None, "training images are fewer than one batch"),
        (DataRequest("digits"), replace(SEARCH, space="mixd"), "did you mean 'mixed'?"),
        (DataRequest("digits"), replace(SEARCH, sampler="tpee"), "did you mean 'tpe'?"),
        (
            DataRequest("digits"),
            replace(SEARCH, aim=Aim(2e6, objective="sof")),
            "did you mean 'soft'?",
        ),
        (DataRequest("digits"), replace(SEARCH, aim=Aim(2e9)), "it reaches"),
        (DataRequest("digits"), replace(SEARCH, trials=0), "trials is 0; it must be at least 1"),
        (DataRequest("digits"), replace(SEARCH, confirm=-1), "confirm is -1"),
        (DataRequest("digits"), replace(SEARCH, epochs=0), "epochs is 0"),
    ],
)
def test_nothing_is_written_for_a_request_that_is_wrong(
    tmp_path: Path, request_: DataRequest, search: SearchRequest | None, message: str
) -> None:
    path = tmp_path / "run"
    with (
        pytest.raises(InputError) as refused,
        start(request_, RunFolder(path), Reporter(), search),
    ):
        pytest.fail("the session was opened")
    assert message in str(refused.value)
    assert not path.exists()


def test_a_folder_opens_again_with_its_own_data(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    request = DataRequest("digits", limit=200, image_size=12, seed=3, device="cpu")
    with start(request, folder, Reporter(), SEARCH) as first:
        pass
    with reopen(folder, Reporter(), device="cpu") as again:
        assert again.config == first.config
        assert np.array_equal(again.data.images, first.data.images)
        assert np.array_equal(again.data.test, first.data.test)
    text = folder.config_path.read_text().replace(first.data.fingerprint, "0" * 16)
    folder.config_path.write_text(text)
    with (
        pytest.raises(InputError, match="digits has changed since the run was made"),
        reopen(folder, Reporter(), device="cpu"),
    ):
        pytest.fail("the session was opened")


def test_an_accuracy_that_is_no_number_is_no_result(
    session: Session, tiny: ArchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*args: Any, **more: Any) -> Any:
        return replace(train(*args, **more), accuracy=math.nan)

    monkeypatch.setattr(evaluating, "train", trained)
    with pytest.raises(RunError, match="its accuracy is nan"):
        session.evaluate(tiny, seed=0, epochs=1)
    assert len(session.log) == 0
