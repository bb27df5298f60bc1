"""ONNX files, run by onnxruntime before they are called done."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from experiments.files import write_atomic_with
from search_spaces.errors import InputError
from search_spaces.network import Network

__all__ = ["OPSET", "export_onnx", "require_onnx"]

OPSET = 18


def require_onnx() -> None:
    """Raises `InputError` with how to get them where packages are missing."""
    missing = [n for n in ("onnx", "onnxruntime", "onnxscript") if not importlib.util.find_spec(n)]
    if missing:
        raise InputError(
            f"format onnx needs {', '.join(missing)}; pip install 'compound-nas[onnx]'"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's own progress and deprecation notices from the user's terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export_onnx(network: Network, path: Path, images: Tensor) -> float:
    """Writes `network` with a dynamic batch and returns the largest difference of its logits.

    `images` (N, 3, R, R), normalised, are run through torch and through onnxruntime.
    Raises `InputError` naming the packages where they are missing.
    """
    require_onnx()
    write_atomic_with(path, lambda temporary: _write(network, temporary, images))
    with torch.inference_mode():
        expected = network(images)
    return float((expected - _run(path, images)).abs().max())


def _write(network: Network, path: Path, images: Tensor) -> None:
    batch = torch.export.Dim("batch", min=1, max=65_536)
    with _quiet():
        torch.onnx.export(
            network,
            (images[:1].repeat(2, 1, 1, 1),),  # a batch of one would be taken for a constant
            path,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"x": {0: batch}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _run(path: Path, images: Tensor) -> Tensor:
    import onnxruntime  # noqa: PLC0415 (optional)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.contiguous().numpy()})
    return torch.from_numpy(logits)
