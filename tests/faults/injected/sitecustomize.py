"""Spoils some trainings of every process that has this folder on its PYTHONPATH.

NAS_FAULT names what goes wrong, NAS_FAULT_SHARE how large a share of the networks it hits, by
their fingerprints. NAS_FAULT_ONCE names a folder in which each network is spoiled only once.
"""

import ctypes
import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FAULT, SHARE = os.environ.get("NAS_FAULT", ""), float(os.environ.get("NAS_FAULT_SHARE", "0.4"))
ONCE = os.environ.get("NAS_FAULT_ONCE")


def raises() -> None:
    raise ValueError("a fault of the trial's own")


def hangs() -> None:
    while True:  # in Python, where the interpreter still runs other threads
        time.sleep(0.1)


def hangs_in_c() -> None:
    ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock: no other thread runs


def eats_memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20) * 64))


def segfaults() -> None:
    ctypes.string_at(0)


FAULTS = {f.__name__: f for f in (raises, hangs, hangs_in_c, eats_memory, segfaults)}


def is_hit(spec: Any) -> bool:
    """Tells whether this training is to be spoiled."""
    from search_spaces.codec import fingerprint

    name = fingerprint(spec)
    if int(name[:8], 16) >= SHARE * 0x100000000:
        return False
    if ONCE is None:
        return True
    try:
        os.close(os.open(Path(ONCE) / name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def spoil(module: Any) -> None:
    """Replaces the module's `train` by one that goes wrong."""
    import dataclasses

    whole = module.train

    def train(spec: Any, *args: Any, **options: Any) -> Any:
        if not is_hit(spec):
            return whole(spec, *args, **options)
        if FAULT != "is_nan":
            FAULTS[FAULT]()
        return dataclasses.replace(whole(spec, *args, **options), accuracy=float("nan"))

    module.train = train


class Finder(importlib.abc.MetaPathFinder):
    """Finds experiments.train as others do, and has it spoiled once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "experiments.train":
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is not None and isinstance(found.loader, importlib.machinery.SourceFileLoader):
            found.loader = Loader(found.loader.name, found.loader.path)
        return found


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module and spoils it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        spoil(module)


if FAULT:
    sys.meta_path.insert(0, Finder())
