"""The predictor as an evaluator: what it says of a network instead of a training."""

from __future__ import annotations

from nas.evaluation import Evaluation, Evaluator
from nas.pairwise.model import Predictor
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.membership import encode_spec
from search_spaces.spec import ArchSpec

__all__ = ["evaluator_of"]


def evaluator_of(predictor: Predictor) -> Evaluator:
    """Returns the evaluator that looks accuracies up; it raises `InputError` out of the space."""

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        encoded = encode_spec(predictor.space, spec)
        if encoded is None:
            raise InputError(f"{spec.name} is no network of space {predictor.space.name!r}")
        counted = cost(spec)
        accuracy = float(predictor.accuracy(encoded[None])[0])
        return Evaluation(accuracy, counted.macs, counted.params, seconds=0.0, seed=seed)

    return evaluate
