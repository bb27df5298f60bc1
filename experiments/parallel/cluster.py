"""Ray started on this machine or joined by its address, and ended again whatever happens."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.parallel.interrupts import Interrupts
from experiments.parallel.placement import cores
from experiments.parallel.scratch import make_scratch
from search_spaces.errors import InputError, RunError

__all__ = ["compare", "connect", "disconnecting", "resources", "versions"]

CONNECT_SECONDS = 10.0
STARTS = 3  # Ray gives up after 30 seconds, which a busy machine may need
HEAD_PORT = 6379
STORE_BYTES = 150 * 2**20  # Ray's own use of its store of objects; the images come on top
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
# What only Ray's head knows; to join anything else that listens would take Ray minutes to give up.
WHO = "/ray.rpc.NodeInfoGcsService/GetClusterId"
CHECK = (
    "is its head running (`ray status` on that machine), is the port right (6379), "
    "and have both machines the same Ray and Python?"
)


def versions() -> dict[str, str]:
    """Returns the versions that driver and workers must share."""
    ours = metadata.version("compound-nas")
    torch = ".".join(metadata.version("torch").split(".")[:2])
    python = ".".join(platform.python_version_tuple()[:2])
    return {"compound-nas": ours, "torch": torch, "Python": python}


def resources() -> tuple[float, float]:
    """Returns how many cores and GPUs the cluster that this process is in has."""
    import ray  # noqa: PLC0415 (only trainings in parallel need it)

    found = ray.cluster_resources()
    return float(found.get("CPU", 0)), float(found.get("GPU", 0))


@contextlib.contextmanager
def disconnecting() -> Iterator[None]:
    """Ends at its exit what was started or joined within; what was there before stays."""
    before = _is_up()
    try:
        yield
    finally:
        if not before:
            _end()


def _is_up() -> bool:
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


_temporary: list[Path] = []


def _end() -> None:
    if _is_up():
        sys.modules["ray"].shutdown()
    while _temporary:
        shutil.rmtree(_temporary.pop(), ignore_errors=True)


def connect(address: str | None = None, *, images: int = 0) -> None:
    """Starts Ray on this machine, with room for `images` bytes, or joins a cluster.

    A process that is in one already stays in it. Raises `InputError` for an address that does not
    answer, or a worker of other versions.
    """
    if _is_up():
        return
    with Interrupts():  # Ray's start takes an interruption for a failure
        _connect(address, images)


def _connect(address: str | None, images: int) -> None:
    if address is not None:
        _probe(address)
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        _start(images, quiet)
        return
    _init(
        InputError, f"--ray {address}: cannot join the cluster ({{}}); {CHECK}",
        address=address, **quiet,
    )  # fmt: skip
    try:
        _check_workers(versions())
    except BaseException:
        _end()
        raise


def _start(images: int, quiet: dict[str, Any]) -> None:
    """Starts Ray on this machine."""
    _temporary.append(make_scratch())
    how = {
        "address": "local", "num_cpus": cores(), "include_dashboard": False,
        "object_store_memory": STORE_BYTES + int(1.2 * images),
        "_temp_dir": str(_temporary[-1]),
    }  # fmt: skip
    for left in reversed(range(STARTS)):
        try:
            _init(RunError, "--workers: Ray cannot start on this machine ({})", **how, **quiet)
        except RunError:
            if not left:
                raise
        else:
            return


def _init(kind: type[Exception], message: str, **how: Any) -> None:
    """Initialises Ray; raises an error of that kind, with what Ray says in the message."""
    import ray  # noqa: PLC0415 (only trainings in parallel need it)

    try:
        ray.init(**how)
    except Exception as error:  # noqa: BLE001 (Ray raises whatever it meets)
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise kind(message.format(said[0])) from None
    _hush()


def _hush() -> None:
    """Keeps Ray from printing on stdout that a worker died: the job's own error says so."""
    from ray._private import worker  # noqa: PLC0415 (there is no public switch)

    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = False


def _probe(address: str) -> None:
    """Raises `InputError` where nobody listens at an address; `auto` is for Ray to find."""
    if address.startswith("ray://"):
        raise InputError(
            f"--ray {address}: the search keeps its own files, so it cannot run through Ray's "
            "client; run the command on a machine of the cluster, with --ray auto"
        )
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--ray {address!r}: write auto, or HOST:PORT as in 10.0.0.1:{HEAD_PORT}")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS / 2).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"--ray {address} does not answer ({why}): {CHECK}") from None
    _check_head(address)


def _check_head(address: str) -> None:
    """Raises `InputError` where no head of a cluster listens, or one that wants a token."""
    import grpc  # noqa: PLC0415 (only trainings in parallel need it)

    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(WHO)(b"", timeout=CONNECT_SECONDS / 2)
        except grpc.RpcError as error:
            code = error.code()
        else:
            return
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        raise InputError(f"--ray {address} does not answer (timed out): {CHECK}")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED):
        raise InputError(f"--ray {address} is not the head of a Ray cluster: {CHECK}")
    if code == grpc.StatusCode.UNAUTHENTICATED and os.environ.get("RAY_AUTH_MODE") != "token":
        raise InputError(
            f"--ray {address}: this cluster wants a token: set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token to what its head was started with"
        )


def _check_workers(ours: Mapping[str, str]) -> None:
    """Raises `InputError` for a machine of the cluster that has other versions."""
    import ray  # noqa: PLC0415 (only trainings in parallel need it)
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    ask = ray.remote(num_cpus=0)(_theirs)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        for node in nodes
    ]
    answers = [each.remote() for each in asked]
    for node, answer in zip(nodes, answers, strict=True):
        name = node["NodeManagerHostname"]
        try:
            theirs = ray.get(answer)
        except Exception as error:  # noqa: BLE001 (whatever the worker raised)
            first = str(error).strip().splitlines()[-1]
            raise InputError(
                f"--ray: the worker {name} cannot run compound-nas ({first}); install the same "
                "version on every machine"
            ) from None
        compare(ours, theirs, name)


def compare(ours: Mapping[str, str], theirs: Mapping[str, str], name: str) -> None:
    """Raises `InputError` where the worker of that name has other versions."""
    for package, version in ours.items():
        if theirs[package] != version:
            raise InputError(
                f"--ray: the worker {name} has {package} {theirs[package]} and this machine "
                f"{version}; install the same version on every machine"
            )


def _theirs() -> dict[str, str]:
    from experiments.parallel.cluster import versions as of_worker  # noqa: PLC0415 (its own)

    return of_worker()
