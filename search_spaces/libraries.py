"""Optional libraries, such as those with networks of their own, imported where they are needed."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache
from typing import Any

import torch

from search_spaces.errors import InputError

__all__ = ["import_library", "missing_for"]

NEED_TORCHVISION = ("timm", "ptflops")  # they import it
OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
HOW_TO_GET = {
    "timm": "pip install 'compound-nas[timm]'",
    "torchvision": "pip install 'compound-nas[timm]'",
    "tensorboard": "pip install 'compound-nas[tensorboard]'",
    "mlflow": "pip install 'compound-nas[mlflow]'",
}


@cache
def _declared_operators() -> torch.library.Library:
    """Declares what torchvision's Python wants to find; held, since it goes with the library."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in OPERATORS:
        library.define(f"{name}{SIGNATURE}")  # type: ignore[no-untyped-call]
    return library


def _needed(name: str) -> tuple[str, ...]:
    return ("torchvision", name) if name in NEED_TORCHVISION else (name,)


def missing_for(name: str) -> list[str]:
    """Names the packages that importing a library needs and that are not installed."""
    return [package for package in _needed(name) if importlib.util.find_spec(package) is None]


def import_library(name: str) -> Any:
    """Imports timm, torchvision or another; also where torchvision's compiled half is missing.

    That is so beside a CPU build of torch. Raises `InputError` with how to get what is missing.
    """
    if missing := missing_for(name):
        how = HOW_TO_GET.get(missing[0], f"pip install {' '.join(missing)}")
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(f"{' and '.join(missing)} {verb} not installed; `{how}` brings it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for package in _needed(name):
                _import(package)
            return importlib.import_module(name)
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} cannot be imported ({reason})") from None


def _import(package: str) -> None:
    try:
        importlib.import_module(package)
    except RuntimeError:  # torchvision looks for operators of its compiled half
        _declared_operators()
        importlib.import_module(package)
