"""Weights from and to other libraries' networks: the same numbers under other names."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from search_spaces.dialects import DIALECTS, Dialect, Pair
from search_spaces.errors import InputError
from search_spaces.layers import ConvLayer, block_layers
from search_spaces.network import Network
from search_spaces.spec import ArchSpec, BlockSpec

__all__ = ["foreign_state", "load_foreign", "renamed"]

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
COUNTER = "num_batches_tracked"  # which weights from before PyTorch 0.4.1 lack
_TIMM_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.")
_PLACE = re.compile(r"\{(\w+)(?:\+(\d+))?\}")


def _filled(template: str, values: Mapping[str, int]) -> str:
    return _PLACE.sub(lambda found: str(values[found[1]] + int(found[2] or 0)), template)


def _grouped(state: Mapping[str, Tensor]) -> list[tuple[int, int]]:
    """Returns the group and place in it of each block that timm's names tell of, in order."""
    found = map(_TIMM_BLOCK.match, state)
    return sorted({(int(match[1]), int(match[2])) for match in found if match})


def _place(groups: Sequence[tuple[int, int]], number: int, own: tuple[int, int]) -> dict[str, int]:
    """Returns block `number` as the other library groups it; where it has too few, as we do."""
    group, index = groups[number] if number < len(groups) else own
    return {"group": group, "index_in_group": index, "number": number}


def _places(
    spec: ArchSpec, groups: Sequence[tuple[int, int]]
) -> Iterator[tuple[BlockSpec, str, dict[str, int]]]:
    """Yields each block with the prefix of its names here and what templates are filled with."""
    number = 0
    for stage, blocks in enumerate(spec.stage_blocks()):
        for index, block in enumerate(blocks):
            theirs = _place(groups, number, (stage, index))
            yield block, f"stages.{stage}.{index}.", {"stage": stage, "index": index, **theirs}
            number += 1


def _conv(ours: str, pair: Pair) -> Iterator[Pair]:
    yield f"{ours}.conv.weight", f"{pair[0]}.weight"
    yield from ((f"{ours}.norm.{name}", f"{pair[1]}.{name}") for name in NORM)


def _linear(ours: str, theirs: str, *, bias: bool = True) -> Iterator[Pair]:
    names = ("weight", "bias") if bias else ("weight",)
    yield from ((f"{ours}.{name}", f"{theirs}.{name}") for name in names)


def _block(
    dialect: Dialect, block: BlockSpec, ours: str, values: Mapping[str, int]
) -> Iterator[Pair]:
    layers = block_layers(block)
    convs = tuple(layer.name for layer in layers.path if isinstance(layer, ConvLayer))
    apart = values["number"] == 0 and len(convs) == len(dialect.first)
    named = dialect.first if apart else ()
    prefix = "" if named else _filled(dialect.block, values)
    own = iter(named or dialect.paths.get(convs, (dialect.conv,) * len(convs)))
    for position, layer in enumerate(layers.path):
        pair = next(own) if isinstance(layer, ConvLayer) else dialect.se
        at = {**values, "position": position}
        first, second = (prefix + _filled(name, at) for name in pair)
        if isinstance(layer, ConvLayer):
            yield from _conv(f"{ours}path.{layer.name}", (first, second))
        else:
            yield from _linear(f"{ours}path.{layer.name}.reduce", first)
            yield from _linear(f"{ours}path.{layer.name}.expand", second)
    if isinstance(layers.shortcut, ConvLayer):
        first, second = (prefix + name for name in dialect.shortcut)
        yield from _conv(f"{ours}shortcut", (first, second))


def _renamed(spec: ArchSpec, dialect: Dialect, groups: Sequence[tuple[int, int]]) -> Iterator[Pair]:
    """Yields the name here and in `dialect` of every tensor of a spec's network."""
    yield from _conv("stem", dialect.stem)
    for block, ours, values in _places(spec, groups):
        yield from _block(dialect, block, ours, values)
    after = len(spec.stages)
    ends = {"after": after, "blocks": spec.depth, **_place(groups, spec.depth, (after, 0))}
    if spec.head == "conv":
        first, second = (_filled(name, ends) for name in dialect.head)
        yield from _conv("head", (first, second))
    if spec.hidden_ch:
        yield from _linear("hidden.0.0", dialect.hidden, bias=spec.hidden_bias)
    yield from _linear("classifier", dialect.classifier)


def renamed(
    spec: ArchSpec, dialect: Dialect, like: Mapping[str, Tensor] | None = None
) -> dict[str, str]:
    """Returns the name in `dialect` of every tensor of a spec's network, by its name here.

    Blocks are grouped as the names of `like`, the other library's `state_dict`, say; else by stage.
    """
    return dict(_renamed(spec, dialect, _grouped(like or {})))


def _without_counters(names: Mapping[str, str]) -> set[str]:
    return {theirs for theirs in names.values() if not theirs.endswith(COUNTER)}


def _found(spec: ArchSpec, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Returns the names of the dialect that `state` is written in."""
    best: tuple[int, str] | None = None
    for dialect in DIALECTS.values():
        names = renamed(spec, dialect, state)
        wanted = _without_counters(names)
        if len(set(names.values())) < len(names):
            continue  # a dialect without words for what this network has
        missing = sorted(wanted - set(state))
        extra = [n for n in state if n not in names.values() and not n.endswith(COUNTER)]
        if not missing and not extra:
            return names
        wrong = missing[0] if missing else extra[0]
        best = min(best or (10**9, ""), (len(missing) + len(extra), wrong))
    raise InputError(
        f"these weights are not of {spec.name}, by no library's names that are known; "
        f"the nearest differ in {best[1] if best else 'everything'!r}"
    )


def _shaped(tensor: Tensor, like: Tensor, name: str) -> Tensor:
    """Returns `tensor` in the other's shape; a 1×1 convolution may stand for a linear layer."""
    if [side for side in tensor.shape if side != 1] != [side for side in like.shape if side != 1]:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; it must be {tuple(like.shape)}")
    return tensor.reshape(like.shape)


def load_foreign(network: Network, state: Mapping[str, Tensor]) -> None:
    """Loads another library's weights (`state_dict`) into the same network of ours.

    Raises `InputError` for weights of another network or under names that are not known.
    """
    own = network.state_dict()
    for ours, theirs in _found(network.spec, state).items():
        if theirs in state:
            own[ours] = _shaped(state[theirs], own[ours], theirs)
    network.load_state_dict(own)


def foreign_state(network: Network, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns our network's weights under the names, in the order and shapes of `like`.

    `like` is the other library's `state_dict`; raises `InputError` where that is another network.
    """
    names = _found(network.spec, like)
    back = {theirs: ours for ours, theirs in names.items()}
    own = network.state_dict()
    state = OrderedDict(
        (theirs, _shaped(own[back[theirs]], tensor, theirs).clone())
        for theirs, tensor in like.items()
    )
    # Some of torchvision's networks refuse weights without the version that is noted there.
    state._metadata = getattr(like, "_metadata", OrderedDict())  # type: ignore[attr-defined]
    return state
