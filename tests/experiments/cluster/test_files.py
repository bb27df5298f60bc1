import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.cluster.checking import check_kuberay, check_ray_up, check_slurm
from experiments.cluster.filling import kuberay_file
from experiments.cluster.request import ClusterJob, KubePlace
from experiments.cluster.waiting import wait_for
from search_spaces.errors import InputError, RunError
from tests.conftest import Caller

SEARCH = ("--", "nas", "search", "--data", "/shared/my images", "--trials", "300")
PLACES: dict[str, tuple[str, ...]] = {
    "slurm": ("--nodes", "8", "--gpus-per-node", "8", "--env", "source /shared/venv/bin/activate"),
    "ray-up --hosts": ("--hosts", "10.0.0.1,10.0.0.2,10.0.0.3", "--gpus-per-node", "4"),
    "ray-up --region": ("--region", "us-west-2", "--nodes", "8", "--image", "me/nas:1"),
    "kuberay": ("--image", "me/nas:1", "--claim", "nas", "--nodes", "8", "--gpus-per-node", "8"),
}


def printed(call: Caller, place: str, *words: str) -> str:
    done = call("cluster", place.partition(" ")[0], *PLACES[place], "--dry-run", *(words or SEARCH))
    assert done.status == 0, done.err
    assert "nothing was written" in done.err
    assert not re.search(r"@[A-Z_]+@", done.out), "a hole was left"
    return done.out


def test_a_batch_script_is_what_bash_and_shellcheck_ask_for(call: Caller, tmp_path: Path) -> None:
    text = printed(call, "slurm")
    path = tmp_path / "job.sh"
    path.write_text(text)
    checker = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert checker is not None
    done = subprocess.run(
        [checker, "--severity=warning", str(path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "#SBATCH --nodes=8\n" in text
    assert "#SBATCH --gpus-per-node=8\n" in text
    assert "nas search --data '/shared/my images' --trials 300 --ray \"$address\" &" in text
    with pytest.raises(RunError, match="the batch script is broken"):
        check_slurm(text.replace("\nfi\n", "\n"))


def test_a_script_for_cores_asks_slurm_for_no_gpus(call: Caller) -> None:
    done = call("cluster", "slurm", "--dry-run", *SEARCH)
    assert "--gpus-per-node" not in done.out
    assert "gpus=0\n" in done.out


@pytest.mark.parametrize(("place", "workers"), [("ray-up --hosts", 2), ("ray-up --region", 8)])
def test_ray_takes_the_cluster_file(call: Caller, place: str, workers: int) -> None:
    text = printed(call, place)
    config = yaml.safe_load(text)
    assert config["max_workers"] == workers
    assert check_ray_up(text) == "Ray's schema takes it"
    assert "--ray auto" in text
    for key, value in (("max_workers", "many"), ("provider", {"type": "local"}), ("speed", 3)):
        with pytest.raises((RunError, SystemExit)):
            check_ray_up(yaml.safe_dump({**config, key: value}))


def test_a_ray_job_has_what_kuberay_asks_for(call: Caller) -> None:
    job = yaml.safe_load(printed(call, "kuberay"))
    assert job["spec"]["entrypoint"].endswith("--trials 300 --ray auto")
    (workers,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    assert (workers["replicas"], container["resources"]["limits"]["nvidia.com/gpu"]) == (8, "8")


def _set(document: Any, path: str, value: Any) -> None:
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        document = document[step]
    document[last] = value


CLUSTER = "spec.rayClusterSpec"
POD = f"{CLUSTER}.workerGroupSpecs.0.template.spec"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("kind", "RayService", "no RayJob"),
        ("metadata.name", "Nas_1", "no label"),
        ("metadata.name", "n" * 48, "no label"),
        ("spec.entrypoint", "", "entrypoint"),
        (f"{CLUSTER}.headGroupSpec.rayStartParams", {"num-cpus": 0}, "strings"),
        (f"{CLUSTER}.workerGroupSpecs.0.minReplicas", 9, "replicas"),
        (f"{POD}.containers", [], "no container"),
        (f"{POD}.containers.0.image", "", "an image"),
        (f"{POD}.containers.0.volumeMounts.0.name", "elsewhere", "not there"),
        (f"{POD}.containers.0.resources.limits.memory", "32GB", "no amount"),
        (f"{POD}.containers.0.resources.limits", {"nvidia.com/gpu": "1"}, "differ"),
    ],
)
def test_a_broken_ray_job_is_refused(path: str, value: Any, fault: str) -> None:
    job = ClusterJob(("nas", "search"), nodes=2, gpus=4, cpus=8)
    text = kuberay_file(job, KubePlace("me/nas:1", "nas"), "nas.yaml")
    document = yaml.safe_load(text)
    check_kuberay(yaml.safe_dump(document))
    _set(document, path, value)
    with pytest.raises(RunError, match=fault):
        check_kuberay(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("slurm", "--nodes", "0", *SEARCH), "--nodes is 0; it must be at least 1"),
        (("slurm", "--gpus-per-node", "-1", *SEARCH), "--gpus-per-node is -1"),
        (("slurm", "--time", "soon", *SEARCH), "--time is 'soon'"),
        (("slurm", "--partition", "a b", *SEARCH), "--partition is 'a b'"),
        (("slurm", "--name", "My_Job", *SEARCH), "--name is 'My_Job'"),
        (("slurm",), "COMMAND"),
        (("ray-up", *SEARCH), "give --hosts with your own machines, or --region"),
        (("ray-up", "--hosts", "a,,b", *SEARCH), "--hosts is ''"),
        (("ray-up", "--hosts", "a,a", *SEARCH), "--hosts names a machine twice"),
        (("kuberay", "--image", "me/nas", "--claim", "My Claim", *SEARCH), "--claim is"),
        (("kuberay", "--image", "me/nas", "--claim", "c", "--memory", "lots", *SEARCH), "--memory"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    call: Caller, words: tuple[str, ...], fault: str, tmp_path: Path
) -> None:
    done = call("cluster", *words)
    assert (done.status, done.out) == (2, "")
    assert fault in done.err
    assert done.err.count("\n") == 1
    assert not any(tmp_path.glob("nas-*"))


def test_a_file_is_written_and_says_what_to_do_next(call: Caller, tmp_path: Path) -> None:
    done = call("cluster", "slurm", "--out", "jobs/search.sh", *SEARCH)
    assert done.status == 0
    assert done.err == "jobs/search.sh: bash reads it; next: sbatch jobs/search.sh\n"
    check_slurm((tmp_path / "jobs" / "search.sh").read_text())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("nas", "search", "--data", "x"), True),
        (("nas", "run", "--ray=10.0.0.1:6379"), False),
        (("nas", "train", "b0", "--ray", "auto"), False),
        (("nas", "bench", "search"), False),
        (("python", "mine.py"), False),
    ],
)
def test_a_command_that_can_use_the_cluster_is_told_of_it(
    command: tuple[str, ...], told: bool
) -> None:
    words = ClusterJob(command, nodes=1, gpus=0, cpus=1).words("auto")
    assert words == ((*command, "--ray", "auto") if told else command)


@pytest.mark.slow  # Ray's client takes its time to give up
def test_waiting_ends_where_nobody_answers() -> None:
    with pytest.raises(RunError, match=r"0 of 2 machines joined 127\.0\.0\.1:9 within 0 s"):
        wait_for("127.0.0.1:9", 2, 0.0)
    with pytest.raises(InputError, match="--nodes is 0"):
        wait_for("127.0.0.1:9", 0, 0.0)
