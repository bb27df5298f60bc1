"""Starts the ranks of a training, listens to them, and takes the network from their last state."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from experiments.device import pick_device
from experiments.parallel.cluster import connect, disconnecting
from experiments.ranked.plan import Node, Ranks, cores_each
from experiments.ranked.task import Message, Post, RankTask
from experiments.ranked.worker import run_rank
from experiments.train import EpochRecord, Trained, new_network
from experiments.training.share import Share
from experiments.training.state import Progress, load_state
from experiments.training_progress import TrainingProgress
from search_spaces.errors import InputError, RunError

if TYPE_CHECKING:
    from experiments.config import TrainingConfig
    from experiments.recipes import Recipe
    from experiments.session import Session
    from experiments.tracking import Tracking
    from search_spaces.spec import ArchSpec

__all__ = ["Listener", "train_in_session", "train_on_ranks"]

POLL_SECONDS = 0.25
QUIET = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}


class Listener:
    """Passes on what the first rank tells.

    Ranks that begin again after a loss tell their history again, of which only what is new counts.
    """

    def __init__(
        self,
        progress: TrainingProgress,
        *,
        on_note: Callable[[str], None],
        on_start: Callable[[Sequence[EpochRecord]], None],
        on_epoch: Callable[[EpochRecord], None],
    ) -> None:
        self.progress, self.on_note = progress, on_note
        self.on_start, self.on_epoch = on_start, on_epoch
        self._last: int | None = None  # the last epoch that is known; None: nothing has begun

    def hear(self, message: Message) -> None:
        """Takes a message in."""
        about, what = message
        if about == "started":
            self.started(what)
        elif about == "epoch":
            self._epoch(what)
        elif about == "step":
            record, memory = what
            self.progress.memory = lambda: memory
            self.progress.step(record)
        else:
            self.on_note(what)

    def started(self, history: Sequence[EpochRecord]) -> None:
        """Takes in what was trained before."""
        if self._last is None:
            self._last = history[-1].epoch if history else 0
            self.progress.started(history)
            self.on_start(history)
            return
        self.on_note(f"a rank was lost; the training goes on after epoch {len(history)}")
        for record in history:
            self._epoch(record)

    def _epoch(self, record: EpochRecord) -> None:
        if record.epoch > (self._last or 0):
            self._last = record.epoch
            self.progress.epoch(record)
            self.on_epoch(record)


def train_in_session(
    session: Session,
    ranks: Ranks,
    spec: ArchSpec,
    recipe: Recipe,
    seed: int,
    resume: Path,
    tracking: Tracking,
    progress: TrainingProgress,
    *,
    start: TrainingConfig | None,
) -> Trained:
    """Trains a network of a session on ranks, and tells its reporter and trackers."""
    data = session.data
    task = RankTask(
        spec, recipe, session.config.data, data.mean, data.std, seed, resume.resolve(), start,
        deterministic=session.device.deterministic, loaders=session.loaders,
    )  # fmt: skip
    listener = Listener(
        progress,
        on_note=session.reporter.note, on_start=tracking.started, on_epoch=tracking.epoch,
    )  # fmt: skip
    return train_on_ranks(task, ranks, listener, num_classes=data.num_classes)


def train_on_ranks(
    task: RankTask, ranks: Ranks, listener: Listener, *, num_classes: int
) -> Trained:
    """Trains on ranks from the last state kept, and returns the network with its best weights.

    Raises `InputError` for what the ranks refuse, or for more of them than there is room for, and
    `RunError` where the training fails, or loses its ranks more often than it may.
    """
    Share(0, ranks.count).check_batch(task.recipe.batch_size)
    trained = _result(task, num_classes)
    if trained is not None:  # by ranks whose command was killed before it had the network
        shutil.rmtree(_scratch(task), ignore_errors=True)
        listener.started(trained.history)
        return trained
    with disconnecting():
        connect(ranks.address)
        _fit(task, ranks, listener)
    trained = _result(task, num_classes)
    if trained is None:
        raise RunError("the ranks ended without a result; the same command goes on")
    return trained


def _result(task: RankTask, num_classes: int) -> Trained | None:
    """Returns the network of a state that says the training is over, or None."""
    state = load_state(task.resume, pick_device("cpu"))
    if state is None:
        return None
    progress = Progress.from_state(state["progress"])
    if not progress.finished(task.recipe):
        return None
    with torch.random.fork_rng(devices=[]):
        network = new_network(task.spec, task.recipe, num_classes)
    network.load_state_dict(state["best"])
    found = progress.best_accuracy, progress.best_epoch, progress.seconds, progress.history
    return Trained(network.eval(), *found)


def _nodes() -> list[Node]:
    import ray  # noqa: PLC0415 (only ranks need it)

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in found]


def _fit(task: RankTask, ranks: Ranks, listener: Listener) -> None:
    """Runs the ranks to the end; raises what ended them otherwise."""
    import ray  # noqa: PLC0415 (only ranks need it)

    nodes = _nodes()
    cores, cuda = cores_each(ranks, nodes), ranks.use_gpus(nodes)
    loaders = cores - 1 if task.loaders is None else task.loaders
    task = replace(task, cuda=cuda, threads=cores, loaders=loaders)
    post = ray.remote(num_cpus=0)(Post).remote()
    folder = _scratch(task)
    shutil.rmtree(folder, ignore_errors=True)
    ended: list[BaseException | None] = []
    thread = threading.Thread(
        target=_run, args=(_trainer(task, ranks, post, folder), ended), daemon=True
    )
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            for message in ray.get(post.take.remote()):
                listener.hear(message)
        failure = ray.get(post.failure.remote())
    except ray.exceptions.RayError as error:
        raise RunError(
            f"the cluster was lost ({type(error).__name__}); start it again, and the same command "
            "goes on from the last state"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _raise(failure, ended[0] if ended else None)


def _scratch(task: RankTask) -> Path:
    """Names the folder for what Ray Train insists on writing where all machines see it."""
    return task.resume.parent / f".{task.resume.stem.strip('.')}.ranks"


def _run(trainer: Any, ended: list[BaseException | None]) -> None:
    """Runs a trainer beside the thread that listens, which alone knows of Ctrl-C."""
    try:
        trainer.fit()
    except BaseException as error:  # noqa: BLE001 (told to the thread that waits)
        ended.append(error)


def _trainer(task: RankTask, ranks: Ranks, post: Any, folder: Path) -> Any:
    os.environ.update(QUIET)
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: PLC0415
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: PLC0415

    return TorchTrainer(
        run_rank,
        train_loop_config={"task": task, "post": post},
        torch_config=TorchConfig(backend="nccl" if task.cuda else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=ranks.count, use_gpu=task.cuda,
            resources_per_worker={"CPU": task.threads, **({"GPU": 1} if task.cuda else {})},
        ),
        run_config=RunConfig(
            name="ranks", storage_path=str(folder),
            failure_config=FailureConfig(max_failures=ranks.retries),
        ),
    )  # fmt: skip


def _raise(failure: tuple[str, str] | None, error: BaseException | None) -> None:
    if failure is not None:
        kind, message = failure
        raise (InputError if kind == "InputError" else RunError)(message)
    if error is not None:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise RunError(
            f"the ranks failed: {lines[-1].strip() if lines else type(error).__name__}; the same "
            "command goes on from the last state"
        )
