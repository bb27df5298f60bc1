import platform
import resource
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.allocator import keep_freed_memory
from experiments.device import pick_device
from experiments.latency import Timing, Work, default_batch, device_facts, measure, prepare
from experiments.piece_times import piece_times
from search_spaces.blocks import Block
from search_spaces.codec import stages_from_strings
from search_spaces.errors import InputError, RunError
from search_spaces.latency import piece_keys
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

CPU = pick_device("cpu")
SPEC = ArchSpec(
    "small",
    16,
    stages_from_strings("ir_r2_k3_s2_e2_c16 er_r1_k3_s1_e2_c24"),
    stem_ch=8,
    head_ch=32,
    num_classes=10,
)


@pytest.mark.parametrize("work", ["inference", "training"])
def test_a_timing_has_a_median_between_its_quartiles(work: Work) -> None:
    timing = measure(SPEC, device=CPU, batch=2, work=work, seconds=0.05)
    assert 0 < timing.low <= timing.median <= timing.high
    assert timing.spread == timing.high - timing.low
    assert timing.n >= 7
    assert timing.warm_ups >= 3


def test_samples_are_summed_up_by_quartiles() -> None:
    assert Timing.of([5.0, 1.0, 2.0, 4.0, 3.0], 2) == Timing(3.0, 2.0, 4.0, 5, 2)


def test_work_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="no work is called 'rest'; it is inference or training"):
        prepare(SPEC, device=CPU, batch=1, work="rest")  # type: ignore[arg-type]


def test_a_training_step_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[Network] = []

    def kept(spec: ArchSpec) -> Network:
        networks.append(build(spec))
        return networks[-1]

    monkeypatch.setattr("experiments.latency.build", kept)
    run = prepare(SPEC, device=CPU, batch=4, work="training")
    (network,) = networks
    before = network.stem.norm.running_mean
    assert before is not None
    before = before.clone()
    weights = network.classifier.weight.detach().clone()
    run()
    assert network.stem.norm.running_mean is not None
    assert not torch.equal(network.stem.norm.running_mean, before)  # in training mode
    assert not torch.equal(network.classifier.weight, weights)
    assert torch.allclose(network.classifier.weight, weights, atol=1e-6)


class Late(torch.autograd.Function):
    """Waits, forwards where nothing is to be learnt, else backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            time.sleep(0.02)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        time.sleep(0.02)
        return grads[0]


class Waiting(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return Late.apply(x)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("work", ["inference", "training"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_piece_is_given_its_own_time(
    work: Work, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_slow_block(spec: ArchSpec) -> Network:
        network = build(spec)
        blocks = [module for module in network.modules() if isinstance(module, Block)]
        blocks[place].path.append(Waiting())
        return network

    monkeypatch.setattr("experiments.piece_times.build", with_a_slow_block)
    times = piece_times(SPEC, device=CPU, batch=2, work=work, seconds=0.01)
    assert len(times) == len(piece_keys(SPEC))
    assert all(seconds > 0 for seconds in times)
    assert int(np.argmax(times)) == place + 1  # after the stem
    assert times[place + 1] > 0.02


def test_a_network_that_does_not_fit_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(available=1000)
    monkeypatch.setattr("experiments.latency.psutil.virtual_memory", lambda: free)
    for work in ("inference", "training"):
        with pytest.raises(RunError, match=rf"small at 16×16, {work} with batch 2 needs about"):
            measure(SPEC, device=CPU, batch=2, work=work)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no"), MemoryError(), RuntimeError("can't allocate memory")]
)
def test_memory_that_runs_out_gets_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("experiments.latency.build", fails)
    monkeypatch.setattr("experiments.piece_times.build", fails)
    for timed in (measure, piece_times):
        with pytest.raises(RunError, match="does not fit in the memory of cpu"):
            timed(SPEC, device=CPU)


def test_other_errors_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("experiments.latency.build", fails)
    with pytest.raises(RuntimeError, match="shapes differ"):
        measure(SPEC, device=CPU)


def test_a_batch_that_cannot_be_normalised_gets_one_line() -> None:
    spec = replace(SPEC, resolution=4)
    with pytest.raises(RunError, match="BatchNorm needs a --batch of at least 2 here"):
        measure(spec, device=CPU, batch=1, work="training")


def test_facts_of_the_device() -> None:
    facts = device_facts(CPU)
    assert facts["device"] == "cpu"
    assert facts["model"]
    assert facts["threads"] == torch.get_num_threads()
    assert (facts["precision"], facts["torch"]) == ("float32", torch.__version__)
    assert default_batch(CPU) == 16


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_freed_memory_is_kept_while_the_cpu_is_timed() -> None:
    assert keep_freed_memory()
    faults = []
    for _ in range(30):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.empty(10_000_000).fill_(1.0)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults) < 100  # 40 MB are 9,766 pages, and glibc alone maps them anew each time
