"""`nas search --evaluator imagenet`: asked, answered, written where a folder is named, printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.imagenet.answer import answer_document
from experiments.imagenet.request import Asked
from experiments.store import RunFolder

__all__ = ["predicted_search"]


def predicted_search(asked: Asked, out: Path | None) -> dict[str, Any]:
    """Returns the answer, after writing it into a run folder where one is named."""
    document, best = answer_document(asked)
    if out is not None:
        from experiments.imagenet.folder import write_answer  # noqa: PLC0415 (brings Optuna)

        document["paths"] = write_answer(RunFolder(out), asked, best.encoded)
    return document
