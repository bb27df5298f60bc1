"""What each rank does: it reads the data, takes up the last state, and trains its share."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch

from experiments.data import ImageData, load_data
from experiments.device import Device, pick_device
from experiments.inheriting import starting
from experiments.ranked.task import RankTask, Tell
from experiments.train import Engine, train
from experiments.training.engine import StepRecord
from experiments.training.share import Share
from search_spaces.errors import InputError, RunError

__all__ = ["run_rank", "train_share"]

TELL_SECONDS = 0.5  # between two steps that are told of: each waits for the device


def run_rank(config: dict[str, Any]) -> None:
    """Is what Ray Train runs for every rank: `config` holds the `task` and the `post`.

    The training's own error is posted, and ends what another attempt would begin.
    """
    import ray  # noqa: PLC0415 (only ranks need it)
    from ray import train as ray_train  # noqa: PLC0415

    task, post = config["task"], config["post"]
    if ray.get(post.failure.remote()) is not None:
        return
    context = ray_train.get_context()
    share = Share(context.get_world_rank(), context.get_world_size())
    place = f"cuda:{context.get_local_rank()}" if task.cuda else "cpu"
    try:
        train_share(task, share, place, post.put.remote)
    except (InputError, RunError) as error:
        ray.get(post.fail.remote(type(error).__name__, str(error)))
        raise


def train_share(task: RankTask, share: Share, place: str, tell: Tell) -> None:
    """Trains on this rank's share of every batch; the first rank keeps states and tells."""
    torch.set_num_threads(task.threads)
    device = pick_device(place, deterministic=task.deterministic)
    if device.is_cuda:
        torch.cuda.set_device(device.torch)
    train(
        task.spec, _data(task), task.recipe,
        seed=task.seed, device=device, resume=task.resume,
        on_epoch=(lambda record: tell("epoch", record)) if share.first else None,
        engine=_engine(task, share, device, tell), **starting(task.start),
    )  # fmt: skip


def _engine(task: RankTask, share: Share, device: Device, tell: Tell) -> Engine:
    quiet = Engine(
        loaders=task.loaders, checkpoint_seconds=task.checkpoint_seconds, share=share
    )  # fmt: skip
    if not share.first:
        return quiet
    told = 0.0

    def step(record: StepRecord) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            here = replace(record, loss=record.loss.float().cpu())
            tell("step", (here, device.memory()))
            told = time.monotonic()

    return replace(
        quiet, on_step=step,
        on_start=lambda history: tell("started", list(history)),
        on_note=lambda text: tell("note", text),
    )  # fmt: skip


def _data(task: RankTask) -> ImageData:
    """Reads the data; raises `InputError` where it is not what the command has."""
    asked = task.data
    data = load_data(asked.source, limit=asked.limit, image_size=asked.image_size, seed=asked.seed)
    if (data.fingerprint, data.split_digest) != (asked.fingerprint, asked.split_digest):
        raise InputError(
            f"{asked.source}: a rank finds other images there than this machine has "
            f"(fingerprint {data.fingerprint}, here {asked.fingerprint}); every machine needs the "
            "same data at the same path"
        )
    return replace(data, mean=task.mean, std=task.std)
