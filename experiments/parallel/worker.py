"""What a worker process does: one training after another, in a thread that can be talked to."""

from __future__ import annotations

import importlib
import os
import queue
import threading
import time
from typing import Any

from ray import tune

from experiments.parallel.work import Kit, Outcome, Package, Place, Work
from search_spaces.errors import InputError, RunError

__all__ = ["OUTCOME", "RUNG", "Running", "Worker", "use_threads"]

TRAINING = ("experiments.evaluating", "experiments.train", "kornia.augmentation")
RUNG, OUTCOME = "rung", "outcome"  # what a result holds: an accuracy on the way, or the end


def use_threads(count: int) -> None:
    """Makes this process compute with that many threads."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(count)
    import torch  # noqa: PLC0415 (reads the environment when it is first imported)

    torch.set_num_threads(count)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)


def _import_training() -> None:
    """Imports what trainings need, which takes seconds, before the first one's time begins."""
    for name in TRAINING:
        importlib.import_module(name)


class _Left(Exception):  # noqa: N818 (no error: the driver wants no more of this training)
    pass


class Running:
    """Trains in a thread of its own that waits, at each rung, to hear whether it goes on."""

    def __init__(self, work: Work, place: Place) -> None:
        self.work, self.place = work, place
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.begun = time.perf_counter(), time.process_time()
        self.thread = threading.Thread(target=self._train, name="training", daemon=True)

    def next(self) -> dict[str, Any]:
        """Starts, or goes on after a rung; returns the next rung's result or the end's."""
        if self.thread.ident is None:
            self.thread.start()
        else:
            self.answers.put(True)
        return self.events.get()

    def leave(self) -> None:
        """Ends a training that waits at a rung."""
        self.answers.put(False)
        if self.thread.ident is not None:
            self.thread.join()

    def _train(self) -> None:
        try:
            evaluation = self.work.run(self.place, self._rung)
        except _Left:
            return
        except (InputError, RunError) as error:
            self.events.put({OUTCOME: self._outcome(error=str(error))})
        except BaseException as error:  # noqa: BLE001 (a training's own fault, whatever it is)
            text = f"{type(error).__name__}: {error}"
            self.events.put({OUTCOME: self._outcome(error=text)})
        else:
            self.events.put({OUTCOME: self._outcome(evaluation=evaluation)})

    def _rung(self, epoch: int, accuracy: float) -> None:
        self.events.put({RUNG: (epoch, accuracy), OUTCOME: self._outcome()})
        if not self.answers.get():
            raise _Left

    def _outcome(self, **found: Any) -> Outcome:
        wall, cpu = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]
        return Outcome(cpu=cpu, gpu=wall if self.place.device.is_cuda else 0.0, **found)


class Worker(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Is Ray Tune's view of a worker: a trial is a job, a step goes to its next rung or its end."""

    def setup(self, config: dict[str, Any], kit: Kit | None = None) -> None:
        """Prepares the process for all of its trainings."""
        assert kit is not None
        use_threads(kit.threads)
        _import_training()
        self.place = kit.place()
        self.running: Running | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Makes room for the next trial: the process, its device and its data are kept."""
        self.cleanup()
        return True

    def step(self) -> dict[str, Any]:
        """Trains until there is something to tell."""
        if self.running is None:
            package: Package = self.config["package"]
            self.running = Running(package.open(), self.place)
        result = self.running.next()
        return {**result, "done": RUNG not in result}

    def cleanup(self) -> None:
        """Leaves a training that is not to go on."""
        if self.running is not None:
            self.running.leave()
        self.running = None
