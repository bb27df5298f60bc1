"""The run folder: where everything is, who may write, and what has finished."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config import RunConfig, read_config, write_config
from experiments.files import (
    append_line,
    read_lines,
    remove_temporaries,
    write_atomic,
    write_atomic_with,
    writing_errors,
)
from experiments.ledger import Ledger
from experiments.study_store import STUDY, StudyStore
from nas.evaluation import Evaluation
from search_spaces.errors import InputError, RunError

if TYPE_CHECKING:
    from optuna.study import Study

    from nas.objective import Direction

__all__ = ["STUDY", "EvaluationLog", "RunFolder"]


class EvaluationLog:
    """Keeps every finished training, by key, in a file of JSON lines that is only appended to.

    Without a file it forgets them with the process.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = read_lines(path) if path else ()
        self._known = {line["key"]: Evaluation(**line["evaluation"]) for line in lines}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Evaluation | None:
        """Returns the finished training of that key, if there is one."""
        return self._known.get(key)

    def add(self, key: str, evaluation: Evaluation) -> None:
        """Writes a finished training down; it is on disk when this returns."""
        if self.path:
            append_line(self.path, {"key": key, "evaluation": asdict(evaluation)})
        self._known[key] = evaluation


class RunFolder:
    """Knows the files of a run; see the design of a run folder in the README."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_path = path / "run.toml"
        self.study_path = path / "study.db"
        self.best_path = path / "best.json"
        self.front_path = path / "front.json"
        self.front_specs_path = path / "front"
        self.metrics_path = path / "metrics.parquet"
        self.trials_path = path / "trials.parquet"
        self.hints_path = path / "hints.jsonl"
        self.seeds_path = path / "seeds.json"
        self.random_path = path / "random.parquet"
        self.grid_path = path / "scaling" / "grid.parquet"
        self.constants_path = path / "scaling" / "constants.json"
        self.family_path = path / "family"
        self.baselines_path = path / "baselines"
        self.export_path = path / "export"
        self.ledger_path = path / "ledger.json"
        self.proxy_path = path / "proxy.json"
        self._ledger = Ledger(self.ledger_path)
        self.studies = StudyStore(self.config_path, self.study_path)

    @staticmethod
    def is_run(path: Path) -> bool:
        """Tells whether a folder is a run folder."""
        return (path / "run.toml").is_file()

    def read(self) -> RunConfig:
        """Reads what was asked."""
        return read_config(self.config_path)

    def check(self, config: RunConfig) -> None:
        """Raises `InputError` where the folder is another run's, or no run's at all."""
        if self.config_path.exists():
            if difference := self.read().mismatch(config):
                raise InputError(
                    f"{self.path} was made for {difference}; choose another folder with --out"
                )
        else:
            self.check_empty()

    def check_empty(self) -> None:
        """Raises `InputError` where there are other files."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; choose a folder with --out")
        if self.path.is_dir() and any(not f.name.startswith(".") for f in self.path.iterdir()):
            raise InputError(f"{self.path} holds other files; choose an empty folder with --out")

    def open(self, config: RunConfig) -> RunConfig:
        """Writes run.toml, or goes on with a folder that was made for the same data and space."""
        self.check(config)
        if self.config_path.exists():
            former = self.read()
            parts = ("search", "training", "family", "storage")
            kept = {name: getattr(former, name) for name in parts}
            config = config.model_copy(
                update={k: v for k, v in kept.items() if getattr(config, k) is None}
            )
        write_config(self.config_path, config)
        return config

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from writing here; the lock ends with this process.

        Raises `RunError` when another process has it, `InputError` when it cannot be made.
        """
        with writing_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise RunError(f"{self.path}: another process is working in this run folder") from None
        try:
            remove_temporaries(self.path)
            yield
        finally:
            os.close(handle)

    def evaluations(self) -> EvaluationLog:
        """Opens the log of finished trainings."""
        return EvaluationLog(self.path / "evaluations.jsonl")

    def study(self, name: str = STUDY, *, directions: Sequence[Direction] = ("maximize",)) -> Study:
        """Opens the search's study, or another by its name, or creates it."""
        return self.studies.study(name, directions)

    def searches(self) -> list[Study]:
        """Opens the studies of all seeds' searches that have begun, the first seed's first."""
        return self.studies.searches()

    def write_json(self, path: Path, document: Any) -> None:
        """Writes an indented JSON document, whole or not at all."""
        write_atomic(path, json.dumps(document, indent=2) + "\n")

    def write_table(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """Writes rows as Parquet, whole or not at all."""
        import pandas as pd  # noqa: PLC0415 (heavy, and only tables need it)

        frame = pd.DataFrame(rows)
        write_atomic_with(path, lambda temporary: frame.to_parquet(temporary, index=False))

    def timed(self, step: str) -> AbstractContextManager[None]:
        """Adds the wall, processor and GPU seconds of a step to ledger.json, however it ends."""
        return self._ledger.timed(step)

    def add_spent(self, cpu: float, gpu: float) -> None:
        """Takes in seconds that a worker process spent, for the step that is timed."""
        self._ledger.add_spent(cpu, gpu)

    def ledger(self) -> dict[str, dict[str, float]]:
        """Reads the seconds spent so far, by step."""
        return self._ledger.read()
