"""A smaller network's weights into a larger one, which then computes the same function.

Wider (Net2Net, arXiv:1511.05641, section 2.2): new channels are copies, and what reads a channel
shares its weight out among the copies; one choice of copies holds along each residual sum.
BatchNorm is copied with its statistics, so the function is the same in training mode too, but for
dropout. Deeper: a new block adds nothing to its input at first, its last BatchNorm being zero. A
larger resolution takes the weights as they are: convolutions do not know the size of their images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from scaling.channels import choose_channels, pool_fits, pooled_channels, shared_out
from search_spaces.errors import InputError
from search_spaces.layers import (
    ConvLayer,
    PoolLayer,
    SqueezeExciteLayer,
    block_layers,
    classifier_layers,
    head_layers,
    stem_layers,
)
from search_spaces.spec import ArchSpec, BlockSpec, StageSpec

__all__ = ["Inherited", "State", "inherit", "obstacles"]

State = Mapping[str, Tensor]

RESIZED = ("name", "resolution", "stages", "stem_ch", "head_ch", "hidden_ch", "num_classes")
REGULARISED = ("dropout", "drop_path", "bn_momentum")
IDEMPOTENT = (None, "relu", "relu6")  # applied twice, they do what they do once
NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Inherited:
    """Holds a member's weights, and why its function is not the base's (nothing: it is)."""

    state: dict[str, Tensor]
    obstacles: tuple[str, ...]

    @property
    def preserved(self) -> bool:
        """Tells whether the member maps every image to the base's logits, in eval mode."""
        return not self.obstacles


def obstacles(base: ArchSpec, member: ArchSpec) -> tuple[str, ...]:
    """Returns what keeps a member from computing its base's function at first; nothing: it does.

    Raises `InputError` that names what differs besides widths, depths, resolution and classes:
    such a network takes nothing over.
    """
    _check_family(base, member)
    return tuple(_obstacles(base, member))


def inherit(
    weights: State, base: ArchSpec, member: ArchSpec, *, fresh: State, seed: int = 0
) -> Inherited:
    """Returns the weights of `member` that a base's trained `weights` make.

    `fresh` are those of a new member: what has nothing to take over keeps them. `seed` draws which
    channels are copied. Neither state is changed. Raises what `obstacles` raises.
    """
    found = obstacles(base, member)
    transfer = _Transfer(weights, fresh, torch.Generator().manual_seed(seed))
    transfer.network(base, member)
    return Inherited(transfer.state, found)


def _check_family(base: ArchSpec, member: ArchSpec) -> None:
    where = f"{member.name} cannot inherit from {base.name}"
    for name in (field.name for field in fields(ArchSpec)):
        if name not in RESIZED + REGULARISED:
            _check_same(where, name, getattr(base, name), getattr(member, name))
    _check_same(where, "the number of stages", len(base.stages), len(member.stages))
    _check_same(where, "a hidden linear layer", bool(base.hidden_ch), bool(member.hidden_ch))
    for number, (old, new) in enumerate(zip(base.stages, member.stages, strict=True), 1):
        _check_stage(f"{where}: stage {number}", old, new)
        # an expanded width may be given where the other's follows from a ratio
        paths = (_layers(spec.stage_blocks()[number - 1][0]) for spec in (base, member))
        _check_same(f"{where}: stage {number}", "a block", *paths)


def _check_stage(where: str, old: StageSpec, new: StageSpec) -> None:
    for name in (field.name for field in fields(StageSpec)):
        if name not in ("out_ch", "repeats", "expand_ch"):
            _check_same(where, name, getattr(old, name), getattr(new, name))


def _layers(block: BlockSpec) -> str:
    return " → ".join(layer.name for layer in block_layers(block).path)


def _check_same(where: str, what: str, base: Any, member: Any) -> None:
    if base != member:
        raise InputError(
            f"{where}: {what} is {base} in the one and {member} in the other; only widths, "
            "repeats, resolution and classes may differ"
        )


def _obstacles(base: ArchSpec, member: ArchSpec) -> Iterator[str]:
    ends = ("stem_ch", "head_ch", "hidden_ch", "in_ch")
    for name in ends:
        if getattr(member, name) < getattr(base, name) and (
            name != "head_ch" or base.head == "conv"
        ):
            yield f"{name} is {getattr(member, name)}, the base's {getattr(base, name)}"
    pairs = zip(base.stage_blocks(), member.stage_blocks(), strict=True)
    for number, (old, new) in enumerate(pairs, 1):
        for obstacle in _stage_obstacles(old, new):
            yield f"stage {number}: {obstacle}"
    if base.num_classes != member.num_classes:
        yield f"the classifier is new: {member.num_classes} classes, the base's {base.num_classes}"


def _stage_obstacles(base: tuple[BlockSpec, ...], member: tuple[BlockSpec, ...]) -> Iterator[str]:
    narrower = {
        f"{name} has {now} channels, the base's {then}"
        for old, new in zip(base, member, strict=False)
        for name, then, now in _widths(old, new)
        if now < then
    }
    yield from sorted(narrower)
    first, other = base[0], member[0]
    if first.shortcut != other.shortcut:
        yield f"its first block's shortcut is {other.shortcut}, the base's {first.shortcut}"
    elif first.shortcut == "pooled" and not pool_fits(first, other):
        yield "its first block's pooled shortcut pairs channels otherwise than the base's"
    if len(member) < len(base):
        yield f"it has {len(member)} blocks, the base's {len(base)}"
    if len(member) > len(base) and not _can_add_nothing(member[-1]):
        yield f"new blocks ({member[-1].kind}, act {member[-1].act}) cannot start as the identity"


def _widths(base: BlockSpec, member: BlockSpec) -> Iterator[tuple[str, int, int]]:
    """Yields each layer of a block's path with its width in base and member."""
    for old, new in _paired(base, member):
        if isinstance(old, SqueezeExciteLayer):
            assert isinstance(new, SqueezeExciteLayer)
            yield new.name, old.squeeze_ch, new.squeeze_ch
        else:
            assert isinstance(new, ConvLayer)
            yield new.name, old.out_ch, new.out_ch


def _paired(
    base: BlockSpec, member: BlockSpec
) -> Iterator[tuple[ConvLayer | SqueezeExciteLayer, ConvLayer | SqueezeExciteLayer]]:
    return iter(zip(block_layers(base).path, block_layers(member).path, strict=True))


def _can_add_nothing(block: BlockSpec) -> bool:
    """Tells whether a block whose last BatchNorm is zero gives its input, its activation done."""
    return block.shortcut == "identity" and block_layers(block).act in IDEMPOTENT


class _Transfer:
    """Fills a member's state layer by layer."""

    def __init__(self, weights: State, fresh: State, generator: torch.Generator) -> None:
        self.weights, self.state, self.generator = weights, dict(fresh), generator

    def network(self, base: ArchSpec, member: ArchSpec) -> None:
        """Takes over a whole network, from the images on."""
        stem = stem_layers(member)[0]
        assert not isinstance(stem, PoolLayer)
        channels = self.conv("stem", stem, torch.arange(base.in_ch))
        stages = zip(base.stage_blocks(), member.stage_blocks(), strict=True)
        for number, (old, new) in enumerate(stages):
            channels = self.stage(f"stages.{number}", old, new, channels)
        for head in head_layers(member):
            channels = self.conv("head", head, channels)
        *hidden, classifier = classifier_layers(member)
        for layer in hidden:
            out = self.choose("hidden.0.0", layer.out_ch)
            self.linear("hidden.0.0", channels, out)
            channels = out
        if base.num_classes == classifier.out_ch:
            self.linear("classifier", channels, torch.arange(classifier.out_ch))

    def stage(
        self,
        name: str,
        base: tuple[BlockSpec, ...],
        member: tuple[BlockSpec, ...],
        inputs: Tensor,
    ) -> Tensor:
        """Takes over a stage; returns which channels come out of all its blocks."""
        out = self.stream(name, base, member[0], inputs)
        for index, block in enumerate(member):
            where = f"{name}.{index}"
            if index < len(base):
                self.block(where, where, base[index], block, inputs, out)
            elif len(base) > 1:  # as the last one was trained, with nothing to add
                last = len(base) - 1
                self.block(where, f"{name}.{last}", base[last], block, out, out)
            if index >= len(base) and _can_add_nothing(block):
                self.silence(f"{where}.path.{block_layers(block).path[-1].name}.norm")
            inputs = out
        return out

    def stream(
        self, name: str, base: tuple[BlockSpec, ...], member: BlockSpec, inputs: Tensor
    ) -> Tensor:
        """Chooses the channels of a stage's residual sums."""
        first = base[0]
        if first.shortcut == member.shortcut == "identity":
            return inputs
        if first.shortcut == member.shortcut == "pooled" and pool_fits(first, member):
            return pooled_channels(first, member, inputs, self.generator)
        last = block_layers(first).path[-1].name
        norms = [self.weights[f"{name}.{i}.path.{last}.norm.weight"] for i in range(len(base))]
        importance = torch.stack([norm.abs() for norm in norms]).sum(0)
        return choose_channels(importance, member.out_ch, self.generator)

    def block(
        self,
        name: str,
        source: str,
        base: BlockSpec,
        member: BlockSpec,
        inputs: Tensor,
        out: Tensor,
    ) -> None:
        """Takes the block `source` of the base over into the member's block `name`."""
        channels, path = inputs, block_layers(member).path
        for layer in path:
            where, origin = f"{name}.path.{layer.name}", f"{source}.path.{layer.name}"
            if isinstance(layer, SqueezeExciteLayer):
                squeezed = self.choose(f"{origin}.reduce", layer.squeeze_ch)
                self.linear(f"{where}.reduce", channels, squeezed, f"{origin}.reduce")
                self.linear(f"{where}.expand", squeezed, channels, f"{origin}.expand")
            else:
                chosen = out if layer is path[-1] else None
                channels = self.conv(where, layer, channels, chosen, origin)
        shortcut = block_layers(member).shortcut
        if isinstance(shortcut, ConvLayer) and base.shortcut == member.shortcut:
            self.conv(f"{name}.shortcut", shortcut, inputs, out, f"{source}.shortcut")

    def conv(
        self,
        name: str,
        layer: ConvLayer,
        inputs: Tensor,
        out: Tensor | None = None,
        source: str | None = None,
    ) -> Tensor:
        """Takes a convolution and its BatchNorm over; returns its outputs' channels."""
        source = source or name
        weight = self.weights[f"{source}.conv.weight"]
        if layer.name == "depthwise":  # each channel goes its own way
            out, made = inputs, weight[inputs]
        else:
            out = self.choose(f"{source}.norm", layer.out_ch) if out is None else out
            made = shared_out(weight[out], inputs, self.generator)
        self.state[f"{name}.conv.weight"] = made
        for part in NORM:
            self.state[f"{name}.norm.{part}"] = self.weights[f"{source}.norm.{part}"][out]
        return out

    def linear(self, name: str, inputs: Tensor, out: Tensor, source: str | None = None) -> None:
        """Takes a linear layer, or a 1×1 convolution with a bias, over."""
        source = source or name
        weight = self.weights[f"{source}.weight"]
        self.state[f"{name}.weight"] = shared_out(weight[out], inputs, self.generator)
        if f"{source}.bias" in self.weights:
            self.state[f"{name}.bias"] = self.weights[f"{source}.bias"][out]

    def choose(self, name: str, count: int) -> Tensor:
        """Chooses the channels that a layer makes: the important ones have large weights."""
        weight = self.weights[f"{name}.weight"]
        return choose_channels(
            weight.abs().flatten(1).sum(1) if weight.ndim > 1 else weight.abs(),
            count,
            self.generator,
        )

    def silence(self, norm: str) -> None:
        """Lets a BatchNorm give nothing, until its weight has learnt."""
        for part in ("weight", "bias"):
            self.state[f"{norm}.{part}"] = torch.zeros_like(self.state[f"{norm}.{part}"])
