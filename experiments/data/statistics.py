"""Mean and deviation of the train images' channels, remembered beside their copy."""

import numpy as np

from experiments.data import cache
from experiments.data.image_data import IndexArray, Statistics, channel_statistics
from experiments.data.storage import Held

__all__ = ["train_statistics"]

_MOST_PIXELS = 2**27  # 131,072 images of 32 pixels a side, 2,675 of 224
_SEED = 0


def train_statistics(
    held: Held, train: IndexArray, split_digest: str
) -> tuple[Statistics, Statistics]:
    """Returns mean and deviation of each channel over the train images, in [0, 1] units.

    More images than hold 2²⁷ pixels are sampled by a fixed seed, wherever they are kept: the
    numbers follow from the data alone, so that less memory at another time changes nothing.
    """
    name = None if held.key is None else f"{held.key}.{split_digest}"
    if name is not None and (known := cache.recall(name, 6)) is not None:
        return (known[0], known[1], known[2]), (known[3], known[4], known[5])
    found = channel_statistics(held.images, _sample(train, held.images.shape[1]))
    if name is not None:
        cache.remember(name, [*found[0], *found[1]])
    return found


def _sample(train: IndexArray, size: int) -> IndexArray:
    count = max(1, _MOST_PIXELS // size**2)
    if len(train) <= count:
        return train
    return np.sort(np.random.default_rng(_SEED).choice(train, count, replace=False))
