"""A user's own space, as TOML says it: a skeleton, options for all stages, and some stages' own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

from search_spaces.block_spec import FORBID_UNKNOWN
from search_spaces.checks import SpecError, check_int, check_kernel, check_real
from search_spaces.codec import stage_from_string
from search_spaces.resize import resize
from search_spaces.space import SearchSpace
from search_spaces.spec import (
    EFFICIENTNET_SE,
    Activation,
    ArchSpec,
    Head,
    Padding,
    Skip,
    SqueezeSpec,
)
from search_spaces.stage_options import StageOptions

__all__ = ["MOST_BLOCKS", "OptionTable", "SkeletonTable", "SpaceFile", "StageTable"]

Kind = Literal["conv", "dsconv", "mbconv", "fused"]
MOST_BLOCKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonTable:
    """Gives what is fixed, and each stage's width, stride and repeats, as block strings.

    Without a resolution it is that of the images.
    """

    stages: tuple[str, ...]
    resolution: int | None = None
    stem_ch: int = 32
    stem_kernel: int = 3
    stem_stride: int = 2
    stem_pool: bool = False
    head: Head = "conv"
    head_ch: int = 1280
    hidden_ch: int = 0
    act: Activation = "silu"
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01
    dropout: float = 0.0
    drop_path: float = 0.0
    padding: Padding = "symmetric"
    expand_divisor: int = 1
    se: SqueezeSpec = EFFICIENTNET_SE

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def spec(self, name: str, *, image_size: int, num_classes: int) -> ArchSpec:
        """Returns the skeleton as a spec."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["resolution"] = image_size if self.resolution is None else self.resolution
        values["stages"] = tuple(map(stage_from_string, self.stages))
        return ArchSpec(name=name, num_classes=num_classes, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTable:
    """Lists options by choice; what is None is not said, and an empty list keeps the block's own.

    `layers` is added to the block string's repeats, `width` multiplies its channels.
    """

    kind: tuple[Kind, ...] | None = None
    kernel: tuple[int, ...] | None = None
    expand: tuple[float, ...] | None = None
    se: tuple[float, ...] | None = None
    skip: tuple[Skip, ...] | None = None
    act: tuple[Activation, ...] | None = None
    layers: tuple[int, ...] | None = None
    width: tuple[float, ...] | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def said(self) -> dict[str, tuple[Any, ...]]:
        """Returns what is said, by choice."""
        listed = {f.name: getattr(self, f.name) for f in fields(OptionTable)}
        return {name: tuple(map(_plain, values)) for name, values in listed.items()
                if values is not None}  # fmt: skip

    def check(self, where: str) -> None:
        """Refuses options that no stage can have, and those that are listed twice."""
        for name, values in self.said().items():
            for value in values:
                _CHECKS.get(name, _fine)(f"{where}.{name}", value)
            if len(set(values)) < len(values):
                raise SpecError(f"{where}.{name} is {list(values)}; list every option once")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTable(OptionTable):
    """Lists one stage's own options; `number` counts the skeleton's stages from 1."""

    number: int


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fine(where: str, value: Any) -> None:
    """Accepts what its type has settled."""


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "kernel": check_kernel,
    "expand": lambda where, value: check_real(where, value, 1, 64),
    "se": lambda where, value: check_real(where, value, 0, 1),
    "layers": lambda where, value: check_int(where, value, -MOST_BLOCKS, MOST_BLOCKS),
    "width": lambda where, value: check_real(where, value, 0.05, 20),
}
_FIELDS = {"kind": "kinds", "kernel": "kernels", "expand": "expands", "se": "se_ratios",
           "skip": "skips", "act": "acts", "layers": "layers", "width": "widths"}  # fmt: skip
_NOTHING_LISTED = StageOptions(**dict.fromkeys(_FIELDS.values(), ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceFile:
    """Holds a space as its file defines it; `make` puts it on images."""

    name: str
    skeleton: SkeletonTable
    options: OptionTable = field(default_factory=OptionTable)
    stage: tuple[StageTable, ...] = ()

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def make(
        self,
        *,
        image_size: int,
        num_classes: int,
        resolution: int | None = None,
        width: float = 1.0,
    ) -> SearchSpace:
        """Returns the space; `width` multiplies the skeleton's channels."""
        spec = self.skeleton.spec(self.name, image_size=image_size, num_classes=num_classes)
        own = {table.number: table.said() for table in self.stage}
        options = tuple(
            _options({**self.options.said(), **own.get(number, {})})
            for number in range(1, len(spec.stages) + 1)
        )
        return SearchSpace(self.name, resize(spec, width=width, resolution=resolution), options)

    def document(self) -> dict[str, Any]:
        """Returns everything that the file says, its defaults filled in, as JSON and TOML can."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return _without_none(found)

    @property
    def digest(self) -> str:
        """Names what the file says in 12 hexadecimal digits."""
        text = json.dumps(self.document(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _options(said: Mapping[str, tuple[Any, ...]]) -> StageOptions:
    return replace(_NOTHING_LISTED, **{_FIELDS[name]: values for name, values in said.items()})


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value)
        if isinstance(value, dict)
        else [_without_none(v) if isinstance(v, dict) else v for v in value]
        if isinstance(value, list)
        else value
        for name, value in document.items()
        if value is not None
    }
