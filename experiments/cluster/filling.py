"""The cluster files that ship with the package, filled in with what a command asks for."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from importlib import metadata, resources
from typing import Any

from experiments.cluster.request import CloudPlace, ClusterJob, HostsPlace, KubePlace, SlurmPlace

__all__ = ["kuberay_file", "ray_up_file", "slurm_file"]

HOLE = re.compile(r"@([A-Z_]+)@")
PORT = 6379
START = "ulimit -n 65536; RAY_USAGE_STATS_ENABLED=0 ray start"


def _filled(name: str, values: Mapping[str, object]) -> str:
    """Fills a file's holes; a line that is nothing but an empty hole goes."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    empty = "|".join(key for key, value in values.items() if value == "") or "(?!)"
    text = re.sub(rf"^@({empty})@\n", "", text, flags=re.MULTILINE)
    return HOLE.sub(lambda hole: str(values[hole[1]]), text)


def _yaml(value: Any) -> str:
    """Writes a value on one line; JSON is YAML."""
    return json.dumps(value)


def slurm_file(job: ClusterJob, place: SlurmPlace) -> str:
    """Returns a batch script for sbatch."""
    options = {"gpus-per-node": job.gpus or None, "partition": place.partition,
               "account": place.account}  # fmt: skip
    given = [f"#SBATCH --{name}={value}" for name, value in options.items() if value]
    values = {
        "NAME": job.name, "NODES": job.nodes, "CPUS": job.cpus, "GPUS": job.gpus,
        "TIME": place.time, "OPTIONS": "\n".join(given), "ENV": job.setup,
        "COMMAND": _shell(job.words("$address")),
    }  # fmt: skip
    return _filled("slurm.sh", values)


def _shell(words: tuple[str, ...]) -> str:
    """Joins words for a shell; only the address, which the script finds out, is a variable."""
    return " ".join('"$address"' if word == "$address" else shlex.quote(word) for word in words)


def ray_up_file(job: ClusterJob, place: HostsPlace | CloudPlace, file: str) -> str:
    """Returns a cluster file for `ray up`, to be written to `file`."""
    # The head of a cloud's cluster coordinates and trains nothing; of one's own machines all train.
    amounts = f"--num-cpus={job.cpus} --num-gpus={job.gpus}"
    on_head = amounts if isinstance(place, HostsPlace) else "--num-cpus=0 --num-gpus=0"
    head = (
        f"{START} --head --port={PORT} --dashboard-host=127.0.0.1 {on_head} "
        "--autoscaling-config=~/ray_bootstrap_config.yaml"
    )
    worker = f"{START} --address=$RAY_HEAD_IP:{PORT} {amounts}"
    command = shlex.join(job.words("auto"))
    setup = [job.setup] if job.setup else []
    values: dict[str, object] = {
        "FILE": shlex.quote(file), "QUOTED_COMMAND": shlex.quote(command), "NAME": job.name,
        "USER": _yaml(place.user), "DOCKER": _docker(place.image), "SETUP": _yaml(setup),
        "START_HEAD": _yaml(head), "START_WORKER": _yaml(worker), "WORKER_COUNT": job.nodes,
    }  # fmt: skip
    if isinstance(place, HostsPlace):
        first, *others = place.hosts
        values |= {"HEAD": _yaml(first), "WORKERS": _yaml(others), "WORKER_COUNT": len(others)}
        return _filled("ray-up-local.yaml", values)
    values |= {
        "REGION": _yaml(place.region), "INSTANCE": _yaml(place.instance),
        "HEAD_INSTANCE": _yaml(place.head_instance), "SHARED": place.shared,
    }  # fmt: skip
    return _filled("ray-up-aws.yaml", values)


def _docker(image: str | None) -> str:
    if image is None:
        return ""
    described = {"image": image, "container_name": "compound_nas", "pull_before_run": True}
    return f"docker: {_yaml(described)}"


def kuberay_file(job: ClusterJob, place: KubePlace, file: str) -> str:
    """Returns a RayJob for KubeRay, to be written to `file`."""
    worker: dict[str, str] = {"cpu": str(job.cpus), "memory": place.memory}
    if job.gpus:
        worker["nvidia.com/gpu"] = str(job.gpus)
    command = shlex.join(job.words("auto"))
    values = {
        "FILE": shlex.quote(file), "NAME": job.name, "NODES": job.nodes, "CLAIM": place.claim,
        "COMMAND": _yaml(f"{job.setup} && {command}" if job.setup else command),
        "RAY": _yaml(metadata.version("ray")), "IMAGE": _yaml(place.image), "MOUNT": place.mount,
        "CACHE": _yaml(f"{place.mount}/cache"), "HEAD_CPUS": _yaml("2"),
        "HEAD_MEMORY": _yaml("8Gi"), "WORKER_RESOURCES": _yaml(worker),
    }  # fmt: skip
    return _filled("kuberay.yaml", values)
