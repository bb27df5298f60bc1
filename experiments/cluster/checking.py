"""Cluster files checked as far as a machine without that cluster can."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from search_spaces.errors import RunError

__all__ = ["check_kuberay", "check_ray_up", "check_slurm"]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
LONGEST_JOB = 47  # characters, which leave KubeRay room for what it appends


def check_slurm(text: str) -> str:
    """Says how a batch script was checked; raises `RunError` where bash cannot read it."""
    bash = shutil.which("bash")
    if bash is None:
        return "not checked: there is no bash here"
    done = subprocess.run([bash, "-n"], input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RunError(f"the batch script is broken: {done.stderr.strip().splitlines()[0]}")
    return "bash reads it"


def check_ray_up(text: str) -> str:
    """Says how a cluster file was checked: by Ray's own schema, with Ray's defaults filled in."""
    from ray.autoscaler._private.util import prepare_config, validate_config  # noqa: PLC0415

    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        config = prepare_config(yaml.safe_load(text))
        validate_config(config)
    except Exception as error:  # noqa: BLE001 (jsonschema's, or one of several of Ray's)
        raise RunError(f"Ray refuses the cluster file: {str(error).splitlines()[0]}") from None
    return "Ray's schema takes it"


def check_kuberay(text: str) -> str:
    """Says how a RayJob was checked: the fields that KubeRay asks for, names and amounts."""
    faults = list(_faults(yaml.safe_load(text)))
    if faults:
        raise RunError(f"the RayJob is broken: {faults[0]}")
    return "fields, names and amounts are as KubeRay asks"


def _faults(job: Mapping[str, Any]) -> Iterator[str]:
    if (job.get("apiVersion"), job.get("kind")) != ("ray.io/v1", "RayJob"):
        yield "it is no RayJob of ray.io/v1"
        return
    name = str(job.get("metadata", {}).get("name", ""))
    if not LABEL.fullmatch(name) or len(name) > LONGEST_JOB:
        yield f"metadata.name {name!r} is no label of at most {LONGEST_JOB} characters"
    spec = job.get("spec", {})
    cluster = spec.get("rayClusterSpec", {})
    if not spec.get("entrypoint") or not cluster.get("rayVersion"):
        yield "entrypoint or rayVersion is missing"
    groups = {"head": cluster.get("headGroupSpec", {})}
    groups |= {str(each.get("groupName")): each for each in cluster.get("workerGroupSpecs", [])}
    for group, described in groups.items():
        yield from (f"{group}: {fault}" for fault in _group_faults(described, group == "head"))


def _group_faults(group: Mapping[str, Any], is_head: bool) -> Iterator[str]:
    if not all(isinstance(value, str) for value in group.get("rayStartParams", {None: 0}).values()):
        yield "rayStartParams must hold strings"
    low, count, high = (group.get(f, "none") for f in ("minReplicas", "replicas", "maxReplicas"))
    numbers = isinstance(low, int) and isinstance(count, int) and isinstance(high, int)
    if not is_head and not (numbers and sorted((low, count, high)) == [low, count, high]):
        yield f"replicas are {count!r}, of {low!r} to {high!r}"
    pod = group.get("template", {}).get("spec", {})
    volumes = {volume.get("name") for volume in pod.get("volumes", [])}
    if not pod.get("containers"):
        yield "it has no container"
    for container in pod.get("containers", []):
        yield from _container_faults(container, volumes)


def _container_faults(container: Mapping[str, Any], volumes: set[Any]) -> Iterator[str]:
    if not LABEL.fullmatch(str(container.get("name", ""))) or not container.get("image"):
        yield "a container needs a name and an image"
    for mount in container.get("volumeMounts", []):
        if mount.get("name") not in volumes:
            yield f"volume {mount.get('name')!r} is mounted and not there"
    resources = container.get("resources", {})
    for amounts in resources.values():
        for what, amount in amounts.items():
            if not QUANTITY.fullmatch(str(amount)):
                yield f"{what}: {amount!r} is no amount"
    gpus = [amounts.get("nvidia.com/gpu") for amounts in resources.values()]
    if any(gpus) and len(set(gpus)) != 1:
        yield "requests and limits of nvidia.com/gpu differ"
