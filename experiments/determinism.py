"""Torch's settings under which a GPU computes bitwise the same again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from search_spaces.errors import RunError

__all__ = ["deterministic_torch"]

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_NO_SUCH_FORM = "does not have a deterministic implementation"
_NO_WORKSPACE = "not deterministic because it uses CuBLAS"
# Kornia's equalize adds up counts with it, in float32: whole numbers, exact in any order.
_EXACT = f"cumsum_cuda_kernel {_NO_SUCH_FORM}"


@contextmanager
def deterministic_torch() -> Iterator[None]:
    """Computes with deterministic algorithms only; leaves torch's settings as they were.

    It begins before a process first computes on a GPU, since cuBLAS reads its setting then.
    Raises `RunError` naming an operation that has no deterministic form on the device.
    """
    cudnn = torch.backends.cudnn
    workspace = os.environ.get(WORKSPACE)
    before = cudnn.deterministic, cudnn.benchmark
    mode = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        os.environ[WORKSPACE] = workspace or ":4096:8"
        cudnn.deterministic, cudnn.benchmark = True, False
        torch.use_deterministic_algorithms(True, warn_only=True)
        with _warnings_refused():
            yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=warns)
        cudnn.deterministic, cudnn.benchmark = before
        _restore(workspace)


def _restore(workspace: str | None) -> None:
    if workspace is None:
        os.environ.pop(WORKSPACE, None)
    else:
        os.environ[WORKSPACE] = workspace


@contextmanager
def _warnings_refused() -> Iterator[None]:
    """Makes torch's warnings of an operation errors; errors of torch's own know no exceptions."""
    with warnings.catch_warnings():
        for message in (_NO_SUCH_FORM, _NO_WORKSPACE):
            warnings.filterwarnings("error", message=f".*{message}")
        warnings.filterwarnings("ignore", message=_EXACT)
        try:
            yield
        except UserWarning as warning:
            if _NO_SUCH_FORM not in str(warning) and _NO_WORKSPACE not in str(warning):
                raise
            operation = str(warning).partition(",")[0]
            raise RunError(f"{operation}; train without --deterministic") from None
