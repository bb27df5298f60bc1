"""The batch script run for real; srun and scontrol are stand-ins that stay on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from experiments.cluster.filling import slurm_file
from experiments.cluster.request import ClusterJob, SlurmPlace
from tests.conftest import ROOT

# Takes srun's own options off, and runs the rest here, as often as there are tasks.
SRUN = r"""#!/bin/bash
echo "srun $*" >> "$FAKE_LOG"
tasks=1
while [[ $1 == --* ]]; do
    case $1 in --ntasks=*) tasks=${1#*=} ;; esac
    shift
done
if [[ $1 == hostname ]]; then echo "127.0.0.1 "; exit; fi
pids=()
trap 'kill -TERM "${pids[@]}"; wait' TERM
for ((i = 0; i < tasks; i++)); do "$@" & pids+=($!); done
wait
wait
"""
SCONTROL = r"""#!/bin/bash
[[ "$1 $2" == "show hostnames" ]] || exit 1
printf '%s\n' ${3//,/ }
"""
NAS = f"""#!/bin/bash
exec {sys.executable} -c 'from cli import main; main()' "$@"
"""
PROGRAM = """
import os, ray, signal, sys, time
ray.init(os.environ["NAS_ADDRESS"], log_to_driver=False, logging_level="critical")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
alive = [node for node in ray.nodes() if node["Alive"]]
squares = ray.get([ray.remote(lambda n: n * n).remote(n) for n in range(4)])
print(len(alive), ray.cluster_resources()["CPU"], sum(squares), flush=True)
if len(sys.argv) > 1:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
"""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Gives what a batch script finds on a machine of Slurm's; ends what is left of it."""
    shims = tmp_path / "bin"
    shims.mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "nas": NAS}.items():
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    (tmp_path / "program.py").write_text(PROGRAM)
    path = f"{shims}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    job = str(10_000 + os.getpid() % 900)
    yield {
        **os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "FAKE_LOG": str(tmp_path / "log"),
        "SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "one,two", "TMPDIR": "/tmp",
        "OMP_NUM_THREADS": "1",
        "RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION": "0.01",
    }  # fmt: skip
    for left in left_of(job):
        left.kill()


def left_of(job: str) -> list[psutil.Process]:
    """Returns the processes that still belong to a job's Ray."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"ray-{job}" in " ".join(process.info["cmdline"] or ())
    ]


def script(tmp_path: Path, *words: str) -> Path:
    job = ClusterJob((sys.executable, str(tmp_path / "program.py"), *words), 2, 0, 1)
    path = tmp_path / "job.sh"
    path.write_text(slurm_file(job, SlurmPlace()))
    return path


@pytest.mark.slow
def test_a_job_runs_on_all_machines_and_leaves_nothing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["bash", str(script(tmp_path))], env=environment, cwd=tmp_path, check=False,
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 2.0 14" in done.stdout.splitlines()
    steps = (tmp_path / "log").read_text()
    assert "--nodes=1 --ntasks=1 --nodelist=one ray start --head" in steps
    assert "--nodes=1 --ntasks=1 --ntasks-per-node=1 --exclude=one ray start --block" in steps
    assert left_of(environment["SLURM_JOB_ID"]) == []
    assert not Path(f"/tmp/ray-{environment['SLURM_JOB_ID']}").exists()


@pytest.mark.slow
def test_the_command_hears_that_its_time_is_nearly_up(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with subprocess.Popen(
        ["bash", str(script(tmp_path, "wait"))], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while "2 2.0 14" not in (line := process.stdout.readline()):
            assert line, "it ended before it began"
        time.sleep(0.5)
        process.send_signal(signal.SIGUSR1)
        rest = process.stdout.read()
    assert "interrupted" in rest
    assert process.returncode == 130
    assert left_of(environment["SLURM_JOB_ID"]) == []
