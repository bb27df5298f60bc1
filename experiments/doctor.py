"""What `nas doctor` looks at: versions, devices, what is missing, and data before it is used."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from experiments.data.cache import cache_state
from experiments.data.inspect import inspect_data

__all__ = ["doctor_document"]

REQUIRED = (
    "torch", "numpy", "optuna", "fvcore", "ray", "pandas", "pyarrow", "kornia", "pillow",
    "platformdirs", "plotly", "psutil", "pydantic", "rich", "safetensors", "scikit-learn", "scipy",
    "tomli-w", "typer",
)  # fmt: skip
OPTIONAL = {
    "datasets": "pip install 'compound-nas[hf]'",
    "mlflow-skinny": "pip install 'compound-nas[mlflow]'",
    "ninja": "pip install 'compound-nas[compile]'",
    "onnx": "pip install 'compound-nas[onnx]'",
    "onnxruntime": "pip install 'compound-nas[onnx]'",
    "onnxscript": "pip install 'compound-nas[onnx]'",
    "tensorboard": "pip install 'compound-nas[tensorboard]'",
    "timm": "pip install 'compound-nas[timm]'",
    "torchvision": "pip install 'compound-nas[timm]'",
    "optuna-dashboard": "pip install 'compound-nas[dashboard]'",
}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> list[dict[str, Any]]:
    rows = [
        {"name": name, "version": _version(name), "needed": True, "get": f"pip install {name}"}
        for name in REQUIRED
    ]
    rows += [
        {"name": name, "version": _version(name), "needed": False, "get": command}
        for name, command in OPTIONAL.items()
    ]
    return rows


def _devices() -> list[dict[str, Any]]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch  # noqa: PLC0415 (may be what is missing)

    memory = psutil.virtual_memory()
    cpu = {
        "name": "cpu",
        "model": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": memory.total,
        "available_bytes": memory.available,
    }
    gpus = [
        {
            "name": f"cuda:{index}",
            "model": torch.cuda.get_device_name(index),
            "memory_bytes": torch.cuda.get_device_properties(index).total_memory,
        }
        for index in range(torch.cuda.device_count())
    ]
    return [cpu, *gpus]


def doctor_document(
    data: str | None = None, *, limit: int | None = None, preview: Path | None = None
) -> dict[str, Any]:
    """Returns what there is to work with; decodes all of `data`, where given, to find its faults.

    Draws some of its images into `preview`. Not `healthy` when a needed package is missing or
    the data has a problem.
    """
    packages = _packages()
    missing = [p for p in packages if p["version"] is None]
    document: dict[str, Any] = {
        "compound_nas": _version("compound-nas"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
        "cache": cache_state(),
        "packages": packages,
        "devices": _devices(),
        "missing": [{"name": p["name"], "get": p["get"], "needed": p["needed"]} for p in missing],
        "healthy": not any(p["needed"] for p in missing),
    }
    if data is not None:
        document["data"] = inspect_data(data, limit=limit, preview=preview)
        document["healthy"] = document["healthy"] and not document["data"]["problems"]
    return document
