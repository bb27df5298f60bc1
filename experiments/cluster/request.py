"""What is asked of a cluster: a command, on so many machines of such a kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from search_spaces.errors import InputError

__all__ = ["CloudPlace", "ClusterJob", "HostsPlace", "KubePlace", "SlurmPlace"]

ON_RAY = ("search", "run", "scale", "train")  # commands of `nas` that take --ray
NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
CLAIM = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
MEMORY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?")
TIME = re.compile(r"(\d+-)?\d+(:\d\d){0,2}")
HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?")
WORD = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.,]*")


def _check(pattern: re.Pattern[str], option: str, value: str, form: str) -> None:
    if not pattern.fullmatch(value):
        raise InputError(f"{option} is {value!r}; it must be {form}")


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """Says which command runs on `nodes` machines of so many cores and GPUs.

    `setup` is a shell command that makes `nas` and `ray` available on a machine.
    """

    command: tuple[str, ...]
    nodes: int
    gpus: int
    cpus: int
    name: str = "nas"
    setup: str = ""

    def __post_init__(self) -> None:
        least = {"--nodes": (self.nodes, 1), "--cpus-per-node": (self.cpus, 1),
                 "--gpus-per-node": (self.gpus, 0)}  # fmt: skip
        for option, (value, low) in least.items():
            if value < low:
                raise InputError(f"{option} is {value}; it must be at least {low}")
        _check(NAME, "--name", self.name, "up to 40 small letters, digits and hyphens, as nas-b0")
        if not self.command:
            raise InputError("the command is missing: write it after --, as in -- nas search …")
        if "\n" in self.setup:
            raise InputError("--env has several lines; join them with &&")

    def words(self, address: str) -> tuple[str, ...]:
        """Returns the command, told of the cluster's address where it can use one."""
        program, *rest = self.command
        uses_ray = program == "nas" and rest[:1] and rest[0] in ON_RAY
        if not uses_ray or any(word.partition("=")[0] == "--ray" for word in rest):
            return self.command
        return (*self.command, "--ray", address)


@dataclass(frozen=True, slots=True)
class SlurmPlace:
    """Says where and how long Slurm runs a job."""

    time: str = "24:00:00"
    partition: str | None = None
    account: str | None = None

    def __post_init__(self) -> None:
        _check(TIME, "--time", self.time, "minutes, HH:MM:SS or DAYS-HH:MM:SS")
        for option, value in (("--partition", self.partition), ("--account", self.account)):
            if value is not None:
                _check(WORD, option, value, "a name")


@dataclass(frozen=True, slots=True)
class HostsPlace:
    """Names machines of one's own, the head first, and who logs in there."""

    hosts: tuple[str, ...]
    user: str
    image: str | None = None

    def __post_init__(self) -> None:
        for host in self.hosts:
            _check(HOST, "--hosts", host, "names or addresses, as 10.0.0.1,10.0.0.2")
        if len(set(self.hosts)) != len(self.hosts):
            raise InputError("--hosts names a machine twice")


@dataclass(frozen=True, slots=True)
class CloudPlace:
    """Says which machines of AWS are rented, and what folder they share."""

    region: str
    instance: str
    head_instance: str = "m6i.2xlarge"
    user: str = "ubuntu"
    image: str | None = None
    shared: str = "/mnt/shared"


@dataclass(frozen=True, slots=True)
class KubePlace:
    """Says which image pods run, and which volume, that all can write, they mount where."""

    image: str
    claim: str
    mount: str = "/shared"
    memory: str = "32Gi"

    def __post_init__(self) -> None:
        _check(CLAIM, "--claim", self.claim, "a PersistentVolumeClaim's name, in small letters")
        _check(MEMORY, "--memory", self.memory, "an amount as 32Gi")
        if not self.mount.startswith("/"):
            raise InputError(f"--mount is {self.mount!r}; it must be an absolute path")
