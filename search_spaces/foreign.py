"""Weights from and to other libraries' networks: the same numbers under other names."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import Tensor

from search_spaces.dialects import DIALECTS, Dialect, Pair
from search_spaces.errors import InputError
from search_spaces.layers import ConvLayer, block_layers
from search_spaces.network import Network
from search_spaces.spec import ArchSpec, BlockSpec

__all__ = ["foreign_state", "load_foreign", "renamed"]

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
COUNTER = "num_batches_tracked"  # which weights from before PyTorch 0.4.1 lack
_PLACE = re.compile(r"\{(\w+)(?:\+(\d+))?\}")


def _filled(template: str, values: Mapping[str, int]) -> str:
    return _PLACE.sub(lambda found: str(values[found[1]] + int(found[2] or 0)), template)


def _groups(spec: ArchSpec) -> Iterator[tuple[int, int]]:
    """Yields for each stage its group, and how many blocks of the group come before it."""
    group, before, in_ch = -1, 0, spec.stem_ch
    for number, stage in enumerate(spec.stages):
        if number == 0 or stage.stride != 1 or stage.out_ch != in_ch or _apart(spec, number):
            group, before = group + 1, 0
        yield group, before
        before, in_ch = before + stage.repeats, stage.out_ch


def _apart(spec: ArchSpec, number: int) -> bool:
    """Tells whether a stage has another kind or kernel than the one before."""
    before, stage = spec.stages[number - 1], spec.stages[number]
    return (stage.kind, stage.kernel) != (before.kind, before.kernel)


def _places(spec: ArchSpec) -> Iterator[tuple[BlockSpec, str, dict[str, int]]]:
    """Yields each block with the prefix of its names here and what templates are filled with."""
    number = 0
    for stage, (blocks, (group, before)) in enumerate(
        zip(spec.stage_blocks(), _groups(spec), strict=True)
    ):
        for index, block in enumerate(blocks):
            values = {
                "stage": stage,
                "group": group,
                "index": index,
                "index_in_group": before + index,
                "number": number,
            }
            yield block, f"stages.{stage}.{index}.", values
            number += 1


def _conv(ours: str, pair: Pair) -> Iterator[Pair]:
    yield f"{ours}.conv.weight", f"{pair[0]}.weight"
    yield from ((f"{ours}.norm.{name}", f"{pair[1]}.{name}") for name in NORM)


def _biased(ours: str, theirs: str) -> Iterator[Pair]:
    yield from ((f"{ours}.{name}", f"{theirs}.{name}") for name in ("weight", "bias"))


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
            yield from _biased(f"{ours}path.{layer.name}.reduce", first)
            yield from _biased(f"{ours}path.{layer.name}.expand", second)
    if isinstance(layers.shortcut, ConvLayer):
        first, second = (prefix + name for name in dialect.shortcut)
        yield from _conv(f"{ours}shortcut", (first, second))


def renamed(spec: ArchSpec, dialect: Dialect) -> dict[str, str]:
    """Returns the name in `dialect` of every tensor of a spec's network, by its name here."""
    return dict(_renamed(spec, dialect))


def _renamed(spec: ArchSpec, dialect: Dialect) -> Iterator[Pair]:
    yield from _conv("stem", dialect.stem)
    for block, ours, values in _places(spec):
        yield from _block(dialect, block, ours, values)
    ends = {
        "after": len(spec.stages),
        "groups": max(group for group, _ in _groups(spec)) + 1,
        "blocks": spec.depth,
    }
    if spec.head == "conv":
        first, second = (_filled(name, ends) for name in dialect.head)
        yield from _conv("head", (first, second))
    if spec.hidden_ch:
        yield from _biased("hidden.0.0", dialect.hidden)
    yield from _biased("classifier", dialect.classifier)


def _without_counters(names: Mapping[str, str]) -> set[str]:
    return {theirs for theirs in names.values() if not theirs.endswith(COUNTER)}


def _found(spec: ArchSpec, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Returns the names of the dialect that `state` is written in."""
    best: tuple[int, str] | None = None
    for dialect in DIALECTS.values():
        names = renamed(spec, dialect)
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
