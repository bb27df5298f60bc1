"""Waiting until a cluster has as many machines as it is to have."""

from __future__ import annotations

import importlib
import logging
import os
import time

from search_spaces.errors import InputError, RunError

__all__ = ["wait_for"]

BETWEEN_SECONDS = 1.0


def wait_for(address: str, nodes: int, seconds: float) -> int:
    """Returns how many machines have joined a cluster, once they are as many as `nodes`.

    Raises `RunError` where they are not within so many seconds.
    """
    if nodes < 1:
        raise InputError(f"--nodes is {nodes}; it must be at least 1")
    found, until = 0, time.monotonic() + seconds
    while True:
        found = max(found, _joined(address))
        if found >= nodes:
            return found
        if time.monotonic() > until:
            raise RunError(
                f"{found} of {nodes} machines joined {address} within {seconds:g} s; look into the "
                "log of `ray start` on the others, and whether they reach that port"
            )
        time.sleep(BETWEEN_SECONDS)


def _joined(address: str) -> int:
    """Counts the machines of a cluster; 0 where it does not answer yet."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    raylet = importlib.import_module("ray._raylet")  # what `ray symmetric-run` asks; heavy

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        infos = raylet.GcsClient(address=address).get_all_node_info(timeout=5)
    except Exception:  # noqa: BLE001 (what Ray raises here has no class of its own)
        return 0
    return sum(info.state == 0 for info in infos.values())  # 0: alive
