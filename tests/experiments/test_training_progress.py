"""What is said of a training while it runs."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from experiments import session as session_module
from experiments.progress import LINE_SECONDS, ConsoleReporter, Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.session import Session
from experiments.training.loop import Engine, StepRecord
from experiments.training.state import EpochRecord
from experiments.training_progress import TrainingProgress, epoch_shares
from search_spaces.spec import ArchSpec


class Ticking:
    """Is a clock that goes on by so many seconds whenever it is looked at."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


class Listener(Reporter):
    """Notes what it is told, and asks to see every step, or none."""

    def __init__(self, *, sees: bool = True) -> None:
        self.sees = sees
        self.finished = self.left_out = 0.0
        self.parts: list[float] = []
        self.texts: list[str] = []

    def due(self) -> bool:
        return self.sees

    def under_way(self, work: float, text: str) -> None:
        self.parts.append(work)
        self.texts.append(text)

    def done(self, work: float, text: str = "") -> None:
        self.finished += work
        self.texts.append(text)

    def skip(self, work: float) -> None:
        self.left_out += work


class Loss:
    """Stands for a loss on a GPU; counts how often it is waited for."""

    read = 0

    def __float__(self) -> float:
        Loss.read += 1
        return 1.25


def step(epoch: int, number: int, of: int = 4) -> StepRecord:
    loss: torch.Tensor = Loss()  # type: ignore[assignment]
    return StepRecord(epoch, number, of, 0.1, loss, seconds=2.0 * number, images=50)


def ended(epoch: int, accuracy: float | None = None) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 1.5, accuracy, 8.0, 25.0, 2**20, 8, 50)


def progress(
    reporter: Reporter, *, by_epoch: bool = True, shares: Sequence[float] = (0.2, 0.2, 0.6)
) -> TrainingProgress:
    return TrainingProgress(
        reporter, "net",
        work=100.0, shares=shares, memory=lambda: 3 * 2**20, by_epoch=by_epoch, clock=Ticking(1.0),
    )  # fmt: skip


def test_an_epoch_of_smaller_images_is_less_work() -> None:
    changes = {"epochs": 4, "stages": 2, "start_resolution": 0.5, "batch_size": 8}
    shares = epoch_shares(load_recipe("fast", changes), resolution=16, images=800)
    assert shares == pytest.approx((0.1, 0.1, 0.4, 0.4))
    whole = epoch_shares(load_recipe("fast", {"epochs": 5}), resolution=16, images=800)
    assert whole == pytest.approx((0.2,) * 5)


def test_steps_move_the_work_and_say_everything() -> None:
    reporter = Listener()
    told = progress(reporter)
    for number in (1, 2, 3, 4):
        told.step(step(1, number))
    told.epoch(ended(1, 0.5))
    told.step(step(2, 2))
    assert reporter.parts == pytest.approx([5, 10, 15, 20, 10])
    assert reporter.finished == pytest.approx(20)
    assert reporter.texts[1] == (
        "net: epoch 1/3, step 2/4, loss 1.250, 50 images/s, lr 0.1, memory 3 MiB"
    )
    assert reporter.texts[4] == (
        "net: epoch 1/3, loss 1.500, validation 50.0%, 25 images/s, lr 0.1, memory 1 MiB"
    )
    assert "epoch 2/3, step 2/4, loss 1.250, validation 50.0%, 25 images/s" in reporter.texts[5]


def test_the_loss_is_waited_for_only_where_it_is_shown() -> None:
    for sees in (False, True):
        Loss.read = 0
        told = progress(Listener(sees=sees))
        for number in (1, 2, 3):
            told.step(step(1, number))
        assert Loss.read == (3 if sees else 0)


def test_what_an_earlier_process_trained_leaves_the_plan() -> None:
    reporter = Listener()
    told = progress(reporter)
    told.started([ended(1, 0.4)])
    told.step(step(2, 3))  # two of its four steps were made before
    assert reporter.left_out == pytest.approx(20 + 10)
    assert reporter.parts == pytest.approx([5])
    assert "validation 40.0%" in reporter.texts[0]
    told.epoch(ended(2))
    assert reporter.finished == pytest.approx(10)
    told.ended()  # early: the third epoch will not come
    assert reporter.finished + reporter.left_out == pytest.approx(100)


def test_an_evaluation_leaves_what_is_done_to_its_caller() -> None:
    reporter = Listener()
    told = progress(reporter, by_epoch=False)
    told.step(step(1, 1))
    told.epoch(ended(1))
    told.step(step(2, 2))
    assert reporter.parts == pytest.approx([5, 30])
    assert reporter.finished == 0


Console_ = Callable[[float], tuple[ConsoleReporter, io.StringIO]]


@pytest.fixture
def plain() -> Console_:
    """Gives a reporter of plain lines, whose clock goes on by so much at every look."""

    def make(seconds: float) -> tuple[ConsoleReporter, io.StringIO]:
        out = io.StringIO()
        console = Console(file=out, force_terminal=False, width=250, highlight=False)
        return ConsoleReporter(console, clock=Ticking(seconds)), out

    return make


def test_a_short_training_prints_a_line_an_epoch(
    session: Session, tiny: ArchSpec, quick: Recipe, plain: Console_, tmp_path: Path
) -> None:
    reporter, out = plain(0.01)
    session = replace(session, reporter=reporter)
    reporter.plan(session.work(tiny, quick.epochs))
    session.train_final(tiny, tmp_path / "net.safetensors", recipe=quick, seed=1)
    lines = out.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["net: epoch 1/2", "net: epoch 2/2"]
    assert all(f" {word} " in lines[1] for word in ("loss", "validation", "lr", "memory"))
    assert "left" in lines[0]
    assert "left" not in lines[1]
    assert reporter.total == pytest.approx(reporter.finished)


def test_a_long_training_prints_lines_in_between(
    session: Session, tiny: ArchSpec, quick: Recipe, plain: Console_, tmp_path: Path
) -> None:
    reporter, out = plain(LINE_SECONDS)
    session = replace(session, reporter=reporter)
    reporter.plan(session.work(tiny, quick.epochs))
    session.train_final(tiny, tmp_path / "net.safetensors", recipe=quick, seed=1)
    lines = out.getvalue().splitlines()
    within = [line for line in lines if ", step " in line]
    assert within[0].startswith("net: epoch 1/2, step 1/4, loss ")
    assert len(within) == 8
    assert all("left" in line for line in within[:-1])


@pytest.mark.parametrize("seconds", [0.01, LINE_SECONDS])
def test_an_evaluation_prints_lines_only_where_it_is_long(
    session: Session, tiny: ArchSpec, plain: Console_, seconds: float
) -> None:
    reporter, out = plain(seconds)
    reporter.plan(2.0)
    session = replace(session, reporter=reporter)
    session.evaluate(tiny, seed=1, epochs=2, planned=1.0)
    lines = out.getvalue().splitlines()
    if seconds < LINE_SECONDS:
        assert lines == []
    else:
        assert " MACs: epoch 1/2, step 1/4, loss " in lines[0]
        assert reporter.partly == pytest.approx(1.0)
    reporter.done(1.0)
    assert (reporter.finished, reporter.partly) == (1.0, 0.0)


class Stopped(Exception):  # noqa: N818 (it stands for a kill)
    pass


def test_a_training_that_goes_on_is_planned_for_its_rest_only(
    session: Session,
    tiny: ArchSpec,
    quick: Recipe,
    plain: Console_,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopping(**options: object) -> Engine:
        def stop(record: StepRecord) -> None:
            if (record.epoch, record.step) == (2, 2):
                raise Stopped

        changed = {**options, "checkpoint_seconds": 0.0, "on_step": stop}
        return Engine(**changed)  # type: ignore[arg-type]

    path = tmp_path / "net.safetensors"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(session_module, "Engine", stopping)
        session.train_final(tiny, path, recipe=quick, seed=1)
    reporter, out = plain(LINE_SECONDS)
    again = replace(session, reporter=reporter)
    work = again.work(tiny, quick.epochs)
    reporter.plan(work)
    again.train_final(tiny, path, recipe=quick, seed=1)
    assert out.getvalue().startswith("net: epoch 2/2")
    assert reporter.finished == pytest.approx(work * 2 / 8), "two of the eight steps were left"
    assert reporter.total == pytest.approx(reporter.finished)
