"""The memory that a network really takes, to hold the estimates of `cost` to.

What is measured is what `cost` estimates, in float32. Training: everything that autograd keeps for
the backward pass of one batch, the images among it, and weights, gradients, momentum and averaged
weights. Inference: weights, images, and the activations alive at the worst moment of eval mode
without gradient. On a GPU both are the peak that its allocator saw, with what the kernels take to
work in; elsewhere training is what saved-tensor hooks see, and inference the storages alive
between operators. The device `meta` runs every operator without its arithmetic: the same tensors
are made and kept (to within a thousandth of the CPU's), so large networks take a second.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = [
    "LiveBytes",
    "measured_inference_memory",
    "measured_step_memory",
    "measured_training_memory",
    "saved_bytes",
]


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that are alive, and the most there were: `now`, `peak`."""

    def __init__(self, start: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: dict[int, int] = {}
        self.now = self.peak = 0
        for tensor in start:
            self.hold(tensor)

    def hold(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, once, until nothing holds it any more."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.sizes:
            return
        self.sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self.sizes.pop(key)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs one operator and counts what it made."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self.hold(leaf)
        return made


def _own(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def saved_bytes(network: nn.Module, images: Tensor) -> int:
    """Sums the distinct storages, beyond the network's own, that backward would read."""
    own = {tensor.untyped_storage()._cdata for tensor in _own(network)}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(images)
    return sum(storage.nbytes() for storage in kept.values())


def _made(spec: ArchSpec, batch: int, device: str) -> tuple[Network, Tensor]:
    with torch.device(device):
        images = torch.zeros(batch, spec.in_ch, spec.resolution, spec.resolution)
        return build(spec), images


class _Training:
    """Holds what a training holds: SGD with momentum, and averaged weights."""

    def __init__(self, spec: ArchSpec, batch: int, device: str) -> None:
        network, self.images = _made(spec, batch, device)
        self.network = network.train()
        self.averaged = [tensor.detach().clone() for tensor in _own(network)]
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, foreach=False)
        self.labels = torch.zeros(batch, dtype=torch.long, device=device)

    def step(self) -> None:
        """Does one step; the last one's gradients are there until its backward pass begins."""
        loss = nn.functional.cross_entropy(self.network(self.images), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()

    def held(self) -> list[Tensor]:
        """Returns every tensor that lives from step to step."""
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        momentum = [s["momentum_buffer"] for s in self.optimizer.state.values()]
        return [
            *_own(self.network), *self.averaged, *gradients, *momentum, self.images, self.labels
        ]  # fmt: skip


def _cuda_peak(work: Callable[[], object], device: str) -> int:
    """Returns the most bytes that were allocated while `work` ran, those before it included."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device)


def measured_training_memory(spec: ArchSpec, *, batch: int, device: str = "cpu") -> int:
    """Measures the bytes of one training step in float32.

    On a GPU, `torch.cuda.max_memory_allocated` of the second step; elsewhere what saved-tensor
    hooks see, and four times the parameters.
    """
    if torch.device(device).type == "cuda":
        training = _Training(spec, batch, device)
        training.step()
        return _cuda_peak(training.step, device)
    network, images = _made(spec, batch, device)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    return saved_bytes(network.train(), images) + 4 * weights


def measured_step_memory(spec: ArchSpec, *, batch: int, device: str = "meta") -> int:
    """Measures the most bytes alive at once in a whole step: forward, backward and update.

    Beside what `measured_training_memory` counts elsewhere than on a GPU, these are the tensors
    that come and go, and BatchNorm's statistics. What kernels take to work in is not seen.
    """
    training = _Training(spec, batch, device)
    training.step()
    live = LiveBytes(training.held())
    with live:
        training.step()
    return live.peak


@torch.no_grad()
def measured_inference_memory(spec: ArchSpec, *, batch: int, device: str = "cpu") -> int:
    """Measures the most bytes alive at once when a batch runs in eval mode, without gradient."""
    network, images = _made(spec, batch, device)
    network.eval()
    if torch.device(device).type == "cuda":
        network(images)  # the first run brings what the libraries keep for good
        return _cuda_peak(lambda: network(images), device)
    live = LiveBytes([*_own(network), images])
    with live:
        network(images)
    return live.peak
