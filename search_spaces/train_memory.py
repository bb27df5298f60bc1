"""The memory of training by precision: a part for the weights, and a part for each image."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.cost import cost
from search_spaces.layers import PoolLayer, stem_layers
from search_spaces.memory import BYTES_PER_VALUE, INDEX_VALUES, WEIGHT_COPIES
from search_spaces.spec import ArchSpec

__all__ = ["TrainMemory", "train_memory"]

BYTES_PER_HALF = 2


@dataclass(frozen=True, slots=True)
class TrainMemory:
    """Holds the bytes of one training step: `fixed` by the weights, `per_image` of a batch."""

    fixed: int
    per_image: int

    def of(self, batch: int) -> int:
        """Returns the bytes of a batch."""
        return self.fixed + self.per_image * batch

    def largest_batch(self, memory_bytes: float) -> int:
        """Returns the most images that fit; 0 where two, which BatchNorm needs, do not."""
        images = int((memory_bytes - self.fixed) // self.per_image)
        return images if images >= 2 else 0


def train_memory(spec: ArchSpec, *, mixed: bool = False) -> TrainMemory:
    """Estimates training in float32, or in `mixed` precision as a GPU trains (bfloat16 autocast).

    Mixed: what backward needs kept is of two bytes a value, and with it a copy of every weight;
    weights, gradients, momentum and averaged weights stay float32, as do the images and
    max-pooling's indices. Normalisation's statistics, under 1%, are left out.
    """
    counted = cost(spec)
    if not mixed:
        fixed = BYTES_PER_VALUE * WEIGHT_COPIES * counted.params
        return TrainMemory(fixed, counted.train_memory_bytes - fixed)
    saved = sum(stage.saved for stage in counted.stages)
    per_image = BYTES_PER_HALF * saved + BYTES_PER_VALUE * spec.in_ch * spec.resolution**2
    wider = BYTES_PER_VALUE - BYTES_PER_HALF
    weights = (BYTES_PER_VALUE * WEIGHT_COPIES + BYTES_PER_HALF) * counted.params
    return TrainMemory(weights, per_image + wider * _index_values(spec))


def _index_values(spec: ArchSpec) -> int:
    """Counts max-pooling's indices in values of float32, in which `cost` counts them."""
    side, indices = spec.resolution, 0
    for layer in stem_layers(spec):
        side = -(-side // layer.stride)
        if isinstance(layer, PoolLayer):
            indices += INDEX_VALUES * side * side * layer.out_ch
    return indices
