"""The loop within an epoch: batches, stages, averaged weights, validation."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from experiments.data import ImageData
from experiments.device import Device
from experiments.feeds import open_feed
from experiments.progressive import Stage, make_stages, stage_at
from experiments.recipes import Recipe
from experiments.tensors import Normalize
from experiments.training.accuracy import accuracy
from experiments.training.augment import Augment, source_resolution
from experiments.training.draws import Place
from experiments.training.ema import Average
from experiments.training.engine import Engine, StepRecord
from experiments.training.mixing import Mixing
from experiments.training.optimizers import make_optimizer
from experiments.training.schedule import learning_rate
from experiments.training.state import (
    EpochRecord,
    Partial,
    Progress,
    random_state,
    set_random_state,
)
from experiments.training.step import LossStep, Stepper, classification_loss
from nas.search import derive_seed
from search_spaces.errors import InputError, RunError

__all__ = ["Engine", "StepRecord", "Trainer"]

CHECK_STEPS = 50  # between looks at the losses, each of which waits for the device


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


class Trainer:
    """Trains a network on one device, an epoch at a time."""

    def __init__(
        self,
        network: nn.Module,
        data: ImageData,
        recipe: Recipe,
        *,
        resolution: int,
        seed: int,
        device: Device,
        loss_step: LossStep | None,
        engine: Engine,
    ) -> None:
        self.share = engine.share
        self.network = network = self.share.synchronised(network, device)
        self.data, self.recipe = data, recipe
        self.resolution, self.seed, self.device, self.engine = resolution, seed, device, engine
        if len(data.train) < recipe.batch_size:
            raise InputError(
                f"{len(data.train)} training images are fewer than one batch of "
                f"{recipe.batch_size}; set batch_size lower"
            )
        self.share.check_batch(recipe.batch_size)
        if recipe.compile:
            self.share.check_compiled(device)
            device.compile(network)
        self._dropout = getattr(network, "dropout", None)
        own = self._dropout.p if isinstance(self._dropout, nn.Dropout) else None
        self.stages = make_stages(
            recipe, resolution=resolution, images=len(data.train), dropout=own
        )
        self.source = partial(source_resolution, recipe, image_size=data.image_size)
        opened = partial(open_feed, data, device=device, loaders=engine.loaders)
        self.part = opened(data.train, resolution=self.source(self.stages[-1].resolution))
        self.validation = opened(self.share.of_part(data.validation), resolution=resolution)
        self.normalize = Normalize(data.mean, data.std).to(device.torch)
        self.optimizer = make_optimizer(network, recipe)
        self.average = None
        if recipe.ema:
            self.average = Average(network, recipe.ema, warmup=recipe.ema_warmup)
        loss = loss_step or classification_loss(recipe.label_smoothing)
        self.stepper = Stepper(
            network, self.optimizer, loss, device,
            on_note=engine.on_note, share=self.share, freezes=recipe.freeze_epochs > 0,
        )  # fmt: skip
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self._under_way: Partial | None = None
        self._random: dict[str, Tensor] | None = None

    def epoch(self, save_if_due: Callable[[], None]) -> EpochRecord:
        """Trains for one epoch, or its rest, and validates where the recipe asks for it."""
        number = self.progress.epoch
        stage = stage_at(self.stages, number)
        prepare = self._entered(stage, number)
        steps = len(self.part) // stage.batch_size
        order, done = self._begun(number, steps)
        start = time.perf_counter() - done.seconds
        order, size = self.share.of_order(order, stage.batch_size)
        for images, labels in self.part.batches(
            size, resolution=self.source(stage.resolution), order=order
        ):
            rate = self.rate(number, done.step, steps, stage)
            loss = self.stepper.step(
                images, labels,
                rate=rate, prepare=prepare, micro_batch=stage.micro_batch, batch=stage.batch_size,
            )  # fmt: skip
            self._note_step(done, loss, rate, steps)
            done.seconds = time.perf_counter() - start
            if done.step < steps:
                self._under_way = done
                save_if_due()
            self._tell(done, loss, rate, steps, stage.batch_size)
        self._check_losses(done, steps)
        return self._ended(number, stage, done, start)

    @property
    def reached(self) -> tuple[int, int]:
        """Returns how many epochs are done, and how many steps of the one under way."""
        return self.progress.epoch, self._under_way.step if self._under_way else 0

    def rate(self, epoch: int, step: int, steps: int, stage: Stage) -> float:
        """Returns the learning rate of a step, counted from 0 in its epoch of `steps`."""
        base = len(self.part) // self.recipe.batch_size
        place = epoch * base + step * base / steps
        return learning_rate(
            place, self.recipe.epochs * base, self.recipe, batch_size=stage.batch_size
        )

    def _entered(self, stage: Stage, epoch: int) -> Callable[[Tensor, Tensor], Any]:
        """Sets the network to train as a stage says; returns what makes inputs of its batches."""
        self.network.train()
        if isinstance(self._dropout, nn.Dropout) and stage.dropout is not None:
            self._dropout.p = stage.dropout
        self._freeze(epoch < self.recipe.freeze_epochs)
        augment = Augment(
            self.recipe,
            self.normalize,
            stage.resolution,
            mirror=self.data.mirror,
            magnitude=stage.magnitude,
        )
        mixing = Mixing(stage.mixup, self.recipe.cutmix, self.data.num_classes)
        return partial(self._inputs, augment, mixing, self.share.place(stage.batch_size))

    def _inputs(
        self, augment: Augment, mixing: Mixing, place: Place | None, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns what a batch, or this rank's part of it, looks like to the network."""
        inputs: Tensor = augment(images, place)
        if place is None or not mixing.mixes:
            mixed: tuple[Tensor, Tensor] = mixing(inputs, labels)
            return mixed
        whole = mixing(self.share.whole(inputs, place), self.share.whole(labels, place))
        own = slice(place.start, place.stop)
        return whole[0][own], whole[1][own]

    def _freeze(self, frozen: bool) -> None:
        """Keeps all but the classifier, BatchNorm's statistics included, from learning, or not."""
        classifier = getattr(self.network, "classifier", None)
        if not self.recipe.freeze_epochs or not isinstance(classifier, nn.Module):
            return
        self.network.requires_grad_(not frozen)
        classifier.requires_grad_(True)
        if frozen:
            self.network.eval()
            for part in (classifier, self._dropout):
                if isinstance(part, nn.Module):
                    part.train()

    def _begun(self, number: int, steps: int) -> tuple[Tensor, Partial]:
        """Seeds an epoch; returns the images still to come, in order, and how far it has come."""
        torch.manual_seed(derive_seed(self.seed, "epoch", number))
        order = torch.randperm(len(self.part))
        done, self._under_way = self._under_way, None
        if done is None:
            zero = torch.zeros((), device=self.device.torch)
            if self.device.is_cuda:
                torch.cuda.reset_peak_memory_stats(self.device.torch)
            return order, Partial(0, zero.repeat(steps), zero)
        assert self._random is not None
        set_random_state(self._random, self.device)
        size = stage_at(self.stages, number).batch_size
        return order[done.step * size :], done

    def _note_step(self, done: Partial, loss: Tensor, rate: float, steps: int) -> None:
        if self.average is not None:
            self.average.update(self.network)
        done.losses[done.step] = loss
        done.total += loss
        done.step += 1
        self.progress.micro_batch = self.stepper.micro_batch
        if done.step % CHECK_STEPS == 0:
            self._check_losses(done, steps)

    def _check_losses(self, done: Partial, steps: int) -> None:
        finite = torch.isfinite(done.losses[: done.step])
        if bool(finite.all()):
            return
        first = int((~finite).nonzero()[0])
        epoch = self.progress.epoch
        rate = self.rate(epoch, first, steps, stage_at(self.stages, epoch))
        raise RunError(
            f"the loss is {float(done.losses[first])} in epoch {epoch + 1}, step {first + 1} of "
            f"{steps}, learning rate {rate:.3g}; a smaller --set lr may help"
        )

    def _tell(self, done: Partial, loss: Tensor, rate: float, steps: int, images: int) -> None:
        if self.engine.on_step is not None:
            epoch = self.progress.epoch + 1
            self.engine.on_step(
                StepRecord(epoch, done.step, steps, rate, loss, done.seconds, images)
            )

    def _ended(self, number: int, stage: Stage, done: Partial, start: float) -> EpochRecord:
        self._under_way = None
        loss = float(done.total) / done.step
        trained = time.perf_counter() - start
        network = self.network if self.average is None else self.average.network
        score = None
        if self.recipe.patience or number + 1 == self.recipe.epochs:
            score = self._accuracy(network)
        record = EpochRecord(
            epoch=number + 1,
            lr=self.rate(number, done.step - 1, done.step, stage),
            loss=loss,
            accuracy=score,
            seconds=time.perf_counter() - start,
            images_per_second=done.step * stage.batch_size / max(trained, 1e-9),
            memory=self.device.memory(),
            resolution=stage.resolution,
            batch_size=stage.batch_size,
        )
        if self.progress.note(record) and self.share.first:
            self.best = _weights(network)
        if (tell := self.engine.rungs.get(number + 1)) is not None:
            tell(self._accuracy(network) if score is None else score)
        return record

    def _accuracy(self, network: nn.Module) -> float:
        return accuracy(
            network, self.validation, self.normalize, self.device,
            resolution=self.resolution, share=self.share,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Returns everything a later process needs to go on from here."""
        done = self._under_way
        if done is not None:
            self._check_losses(done, len(done.losses))
        return {
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "progress": self.progress.to_state(),
            "partial": None
            if done is None
            else {
                "step": done.step,
                "losses": done.losses,
                "total": done.total,
                "seconds": done.seconds,
            },
            "random": random_state(self.device),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state that `state` gave."""
        self.network.load_state_dict(state["network"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.progress = Progress.from_state(state["progress"])
        self.stepper.micro_batch = self.progress.micro_batch
        self._under_way = None if state["partial"] is None else Partial(**state["partial"])
        self._random = state["random"]
