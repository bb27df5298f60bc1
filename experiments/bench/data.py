"""Measurements of the way from encoded images to batches: decoding, the cache, streaming."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from experiments.bench.timing import Rows
from experiments.data import ImageArray, load_data
from experiments.data.cache import PLACE_VARIABLE

__all__ = ["bench_data", "write_photographs"]

_BATCH = 128
_STREAMED = 10_000  # images of an epoch that is timed
_MADE = 10_000
_SIDE = 32


def bench_data(source: Path | None = None, *, loaders: tuple[int, ...] = (0, 1, 2)) -> Rows:
    """Times decoding `source`, loading it from the cache, and streaming it with so many loaders.

    Without a source, 10,000 JPEGs of 32 pixels a side are made. Uses a cache of its own. The
    processor's seconds are this process's, without those of loaders.
    """
    with tempfile.TemporaryDirectory() as folder, _own_cache(Path(folder) / "cache"):
        used = source or write_photographs(Path(folder) / "made.parquet", _MADE, _SIDE)
        rows = [_timed("decode, and keep a copy", 1, lambda: load_data(used))]
        rows.append(_timed("load from the cache", 5, lambda: load_data(used)))
        rows.append(_timed("pack for streaming", 1, lambda: load_data(used, keep="stream")))
        images = load_data(used, keep="stream").images
        order = np.random.default_rng(0).permutation(len(images))[:_STREAMED]
        rows += [_streamed(images, order, count) for count in loaders]
    return rows


def _timed(what: str, repeats: int, load: Callable[[], Any]) -> dict[str, Any]:
    seconds, spent = [], time.process_time()
    for _ in range(repeats):
        start = time.perf_counter()
        count = len(load().images)
        seconds.append(time.perf_counter() - start)
    return _row(what, count, seconds, (time.process_time() - spent) / repeats)


def _row(what: str, count: int, seconds: list[float], cpu: float) -> dict[str, Any]:
    median = statistics.median(seconds)
    return {
        "what": what,
        "images": count,
        "median s": round(median, 3),
        "cpu s": round(cpu, 3),
        "n": len(seconds),
        "images/s": round(count / median),
    }


class _Batches(Dataset[np.ndarray]):
    """Gives whole batches by number."""

    def __init__(self, images: ImageArray, batches: list[np.ndarray]) -> None:
        self._images, self._batches = images, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> np.ndarray:
        taken: np.ndarray = self._images[self._batches[number]]
        return taken


def _streamed(images: ImageArray, order: np.ndarray, loaders: int) -> dict[str, Any]:
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    loader = DataLoader(_Batches(images, batches), batch_size=None, num_workers=loaders)
    seconds, spent = [], time.process_time()
    for _ in range(3):
        start = time.perf_counter()
        for _batch in loader:
            pass
        seconds.append(time.perf_counter() - start)
    return _row(
        f"stream, {loaders} loaders", len(order), seconds, (time.process_time() - spent) / 3
    )


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    before = os.environ.get(PLACE_VARIABLE)
    os.environ[PLACE_VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(PLACE_VARIABLE)
        if before is not None:
            os.environ[PLACE_VARIABLE] = before


def write_photographs(path: Path, count: int, side: int) -> Path:
    """Writes smooth random JPEGs, which decode as photographs do, in ten classes as Parquet."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((side, side)).save(buffer, "JPEG", quality=90)
        images.append(buffer.getvalue())
    labels = np.arange(count) % 10
    pq.write_table(pa.table({"image": pa.array(images, pa.binary()), "label": labels}), path)
    return path
