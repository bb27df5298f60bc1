"""A training as a run of MLflow: in RUN/mlflow.db, or where MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.tracking.tracker import RESULTS, Tracked, scalars
from experiments.training.state import EpochRecord
from search_spaces.errors import RunError

__all__ = ["EXPERIMENT", "TAG", "MlflowRun", "database", "make"]

EXPERIMENT = "compound-nas"
TAG = "compound_nas.training"
# A server that does not answer is given up after seconds, not minutes; nothing is sent to MLflow's
# makers; and stdout, which `--json` has to itself, is left alone. The user's own settings hold.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def database(folder: Path) -> str:
    """Returns the address of a run folder's own database."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


@contextmanager
def _calls(address: str) -> Iterator[None]:
    """Quietens the library; raises `RunError` with the first line of its own errors."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 (optional, and takes seconds)

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MlflowException as error:
        raise RunError(f"MLflow at {address}: {str(error).splitlines()[0]}") from None


class MlflowRun:
    """Writes a training as one run; a training that goes on finds its run by a tag.

    What the run has already is not written again, so that no epoch is there twice.
    """

    def __init__(self, folder: Path, tracked: Tracked) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        self.address = elsewhere or database(folder)
        self.tracked = tracked
        self.key = f"{tracked.key} {folder.resolve()}" if elsewhere else tracked.key
        self.artifacts = None if elsewhere else (folder / "mlflow-artifacts").resolve().as_uri()
        self._client: Any = None
        self._run = ""
        self._known: dict[str, set[int]] = {}  # steps by metric
        self._last = 0

    @property
    def client(self) -> Any:
        """Returns the connection, made the first time."""
        if self._client is None:
            from mlflow.tracking import MlflowClient  # noqa: PLC0415 (optional, takes seconds)

            self._client = MlflowClient(tracking_uri=self.address)
        return self._client

    def start(self, history: Sequence[tuple[EpochRecord, float]]) -> None:
        """Finds the training's run, or makes it; adds what it lacks of settings and epochs."""
        with _calls(self.address):
            run = self._found()
            self._run = run.info.run_id
            self.client.update_run(self._run, status="RUNNING")
            self._describe(run.data.params)
            for name in run.data.metrics:
                written = self.client.get_metric_history(self._run, name)
                self._known[name] = {metric.step for metric in written}
            for record, ended in history:
                self._write(scalars(record), record.epoch, ended)

    def _found(self) -> Any:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            number = self.client.create_experiment(EXPERIMENT, artifact_location=self.artifacts)
        else:
            number = experiment.experiment_id
        runs = self.client.search_runs([number], filter_string=f"tags.`{TAG}` = '{self.key}'")
        if runs:
            return runs[0]
        return self.client.create_run(number, run_name=self.tracked.name, tags={TAG: self.key})

    def _describe(self, known: Mapping[str, str]) -> None:
        from mlflow.entities import Param  # noqa: PLC0415 (optional, takes seconds)

        settings = self.tracked.params.items()
        lacking = [Param(name, str(value)) for name, value in settings if name not in known]
        self.client.log_batch(self._run, params=lacking)

    def epoch(self, record: EpochRecord, ended: float) -> None:
        """Adds an epoch."""
        with _calls(self.address):
            self._write(scalars(record), record.epoch, ended)

    def _write(self, values: Mapping[str, float], step: int, ended: float) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 (optional, takes seconds)

        lacking = {k: v for k, v in values.items() if step not in self._known.get(k, ())}
        metrics = [Metric(name, value, int(ended * 1e3), step) for name, value in lacking.items()]
        self.client.log_batch(self._run, metrics=metrics)
        for name in lacking:
            self._known.setdefault(name, set()).add(step)
        self._last = max(self._last, step)

    def end(self, results: Mapping[str, float]) -> None:
        """Adds the results."""
        named = {RESULTS[name]: value for name, value in results.items()}
        with _calls(self.address):
            self._write(named, self._last, time.time())

    def close(self, *, finished: bool) -> None:
        """Says whether the training finished; one that was stopped may still go on."""
        if self._run:
            with _calls(self.address):
                self.client.set_terminated(self._run, status="FINISHED" if finished else "KILLED")


def make(folder: Path, tracked: Tracked) -> MlflowRun:
    """Returns what writes a training of a run folder."""
    return MlflowRun(folder, tracked)
