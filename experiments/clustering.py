"""The command that writes cluster files: `nas cluster slurm`, `ray-up` and `kuberay`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.cluster.request import ClusterJob

__all__ = ["app"]

app = typer.Typer(
    name="cluster",
    help="Writes the file that brings a command to many machines, checked, ready to be submitted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Command = Annotated[
    list[str], typer.Argument(metavar="COMMAND", help="what to run, after --: -- nas search …")
]
Nodes = Annotated[int, typer.Option("--nodes", help="machines that train")]
Gpus = Annotated[int, typer.Option("--gpus-per-node", help="GPUs of each")]
Cpus = Annotated[int, typer.Option("--cpus-per-node", help="cores of each")]
Name = Annotated[str, typer.Option("--name", help="of the job")]
Env = Annotated[
    str,
    typer.Option("--env", help="shell command run first: 'source /shared/venv/bin/activate'"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="print the file, and how it was checked; write nothing")
]
Out = Annotated[Path | None, typer.Option("--out", help="file to write")]
Image = Annotated[str | None, typer.Option("--image", help="container image with compound-nas")]


def _done(text: str, checked: str, path: Path, dry_run: bool, then: str) -> None:
    """Writes a file that has been checked, or prints it."""
    from experiments.files import write_atomic

    if dry_run:
        typer.echo(text, nl=False)
        typer.echo(f"{path}: {checked}; nothing was written", err=True)
        return
    write_atomic(path, text)
    typer.echo(f"{path}: {checked}; next: {then}", err=True)


def _job(command: list[str], nodes: int, gpus: int, cpus: int, name: str, env: str) -> ClusterJob:
    from experiments.cluster.request import ClusterJob

    return ClusterJob(tuple(command), nodes, gpus, cpus, name, env.strip())


# fmt: off
@app.command()
def slurm(
    command: Command, nodes: Nodes = 1, gpus_per_node: Gpus = 0, cpus_per_node: Cpus = 8,
    time: str = typer.Option("24:00:00", "--time", help="limit, as HH:MM:SS or DAYS-HH:MM:SS"),
    partition: str | None = typer.Option(None, "--partition", help="where Slurm runs it"),
    account: str | None = typer.Option(None, "--account", help="who is charged"),
    name: Name = "nas", env: Env = "", out: Out = None, dry_run: DryRun = False,
) -> None:
    """Writes a batch script that starts Ray on all machines, runs the command and ends both."""
    from experiments.cluster.checking import check_slurm
    from experiments.cluster.filling import slurm_file
    from experiments.cluster.request import SlurmPlace

    job = _job(command, nodes, gpus_per_node, cpus_per_node, name, env)
    text, path = slurm_file(job, SlurmPlace(time, partition, account)), out or Path("nas-slurm.sh")
    _done(text, check_slurm(text), path, dry_run, f"sbatch {path}")


@app.command("ray-up")
def ray_up(
    command: Command, nodes: Nodes = 1, gpus_per_node: Gpus = 0, cpus_per_node: Cpus = 8,
    hosts: str | None = typer.Option(None, help="your own machines, the head first: a,b,c"),
    region: str | None = typer.Option(None, help="of AWS, where machines are rented"),
    instance: str = typer.Option("g5.12xlarge", help="AWS machines that train"),
    user: str | None = typer.Option(None, help="who logs in [you; ubuntu on AWS]"),
    image: Image = None, name: Name = "nas", env: Env = "",
    out: Out = None, dry_run: DryRun = False,
) -> None:
    """Writes a cluster file for `ray up`: machines of your own (--hosts), or of AWS (--region)."""
    from experiments.cluster.checking import check_ray_up
    from experiments.cluster.filling import ray_up_file
    from experiments.cluster.request import CloudPlace, HostsPlace

    if (hosts is None) == (region is None):
        raise InputError("give --hosts with your own machines, or --region with one of AWS's")
    path = out or Path("nas-ray-up.yaml")
    place: HostsPlace | CloudPlace
    if hosts is not None:
        place = HostsPlace(tuple(hosts.split(",")), user or getpass.getuser(), image)
        nodes = len(place.hosts)
    else:
        place = CloudPlace(str(region), instance, user=user or "ubuntu", image=image)
    job = _job(command, nodes, gpus_per_node, cpus_per_node, name, env)
    text = ray_up_file(job, place, str(path))
    _done(text, check_ray_up(text), path, dry_run, f"ray up -y {path}")


@app.command()
def kuberay(
    command: Command,
    image: str = typer.Option(..., "--image", help="container image with compound-nas"),
    claim: str = typer.Option(..., "--claim", help="PersistentVolumeClaim that all pods write"),
    nodes: Nodes = 1, gpus_per_node: Gpus = 0, cpus_per_node: Cpus = 8,
    memory: str = typer.Option("32Gi", help="of each pod that trains"),
    mount: str = typer.Option("/shared", help="where pods see the claim"),
    name: Name = "nas", env: Env = "", out: Out = None, dry_run: DryRun = False,
) -> None:
    """Writes a RayJob for the KubeRay operator."""
    from experiments.cluster.checking import check_kuberay
    from experiments.cluster.filling import kuberay_file
    from experiments.cluster.request import KubePlace

    job = _job(command, nodes, gpus_per_node, cpus_per_node, name, env)
    path = out or Path("nas-kuberay.yaml")
    text = kuberay_file(job, KubePlace(image, claim, mount, memory), str(path))
    _done(text, check_kuberay(text), path, dry_run, f"kubectl apply -f {path}")


@app.command()
def wait(
    address: str = typer.Argument(metavar="ADDRESS", help="of the head: HOST:PORT"),
    nodes: Nodes = 1,
    seconds: float = typer.Option(600.0, help="how long at most"),
) -> None:
    """Waits until a cluster has so many machines; status 1 where it has not in time."""
    from experiments.cluster.waiting import wait_for

    found = wait_for(address, nodes, seconds)
    typer.echo(f"{found} machines have joined {address}", err=True)
# fmt: on
