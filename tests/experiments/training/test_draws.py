from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.recipes import load_recipe
from experiments.tensors import Normalize
from experiments.training.augment import Augment
from experiments.training.share import Share

RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "shifted and flipped": ("fast", {"flip": "always"}),
    "cropped": ("efficientnet", {"auto_augment": "none"}),
    "erased": ("fast", {"erasing": 0.5}),
    "AutoAugment": ("efficientnet", {"auto_augment": "cifar10"}),
    "RandAugment": ("efficientnet_v2", {"rand_augment": 3}),
    "RandAugment for each image": ("efficientnet_v2", {"augment_groups": 4_000}),
}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("ranks", [2, 3])
def test_images_are_changed_the_same_however_many_ranks_share_them(name: str, ranks: int) -> None:
    base, values = RECIPES[name]
    recipe = load_recipe(base, {"batch_size": 64, **values})
    images = torch.randint(0, 256, (28, 3, 16, 16), dtype=torch.uint8)  # 3 ranks: 9, 9 and 10
    augment = Augment(recipe, Normalize((0.5,) * 3, (0.2,) * 3), 16, mirror=True)
    for seed in range(3):
        parts: list[Tensor] = []
        with seeded(seed):
            whole, after = augment(images), torch.rand(4)
        for rank in range(ranks):
            place = Share(rank, ranks).place(len(images))
            assert place is not None
            with seeded(seed):
                parts.append(augment(images[place.start : place.stop], place))
                assert torch.equal(torch.rand(4), after), "the ranks' generators part"
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-5)
    assert not torch.equal(parts[0], whole[-len(parts[0]) :])
