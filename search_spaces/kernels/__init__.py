"""Compiled training kernels for the CPU: built once by the machine's own compiler, when asked."""

from __future__ import annotations

import os
import shutil
import sysconfig
from functools import lru_cache
from pathlib import Path

import torch

from search_spaces.errors import InputError

__all__ = ["load_kernels"]

SOURCE = Path(__file__).parent / "training.cpp"
NAME = "compound_nas_kernels"
# What the vector class of torch's headers needs to be told, by what torch found the CPU to be.
_VECTORS = {
    "AVX512": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx2", "-mfma"),
    "AVX2": ("-mavx2", "-mfma"),
}


def _flags() -> list[str]:
    capability = torch.backends.cpu.get_cpu_capability()
    flags = ["-O3", "-fopenmp", "-ffp-contract=fast"]
    if capability in _VECTORS:
        defined = (f"-DCPU_CAPABILITY={capability}", f"-DCPU_CAPABILITY_{capability}")
        flags += [*_VECTORS[capability], *defined]
    return flags


def _check_compiler() -> None:
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        raise InputError(f"compiling needs a C++ compiler; {compiler!r} was not found (set CXX)")


def _find_ninja() -> None:
    """Puts this environment's own scripts on the path: there pip has put ninja."""
    scripts = sysconfig.get_path("scripts")
    if shutil.which("ninja") is None:
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    if shutil.which("ninja") is None:
        raise InputError("compiling needs ninja: pip install 'compound-nas[compile]'")


@lru_cache(maxsize=1)
def load_kernels() -> None:
    """Builds the kernels, half a minute the first time, and registers them with torch.

    Where torch keeps its extensions the build is kept too (`TORCH_EXTENSIONS_DIR`).
    Raises `InputError` where there is no compiler or ninja, or the build fails.
    """
    from torch.utils.cpp_extension import load  # noqa: PLC0415 (heavy, and rarely needed)

    _check_compiler()
    _find_ninja()
    try:
        load(
            NAME,
            [str(SOURCE)],
            extra_cflags=_flags(),
            extra_ldflags=["-fopenmp"],
            is_python_module=False,
            verbose=bool(os.environ.get("NAS_DEBUG")),
        )
    except (RuntimeError, OSError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"the training kernels did not compile here: {first}") from None
