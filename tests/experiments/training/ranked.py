"""What one of two processes does in `test_share.py`: `python ranked.py RANK RANKS FOLDER`."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import nn

from experiments.data import load_data
from experiments.device import pick_device
from experiments.recipes import load_recipe
from experiments.train import Engine, train
from experiments.training.share import Share
from experiments.training.shared_norm import share_statistics
from search_spaces.codec import stages_from_strings
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

TINY = ArchSpec(
    name="tiny",
    resolution=8,
    stages=stages_from_strings("ir_r1_k3_s1_e2_c8 ir_r2_k3_s2_e2_c16_se0.25"),
    stem_ch=8,
    stem_stride=1,
    head_ch=32,
    num_classes=10,
)
RECIPES: dict[str, dict[str, Any]] = {
    "as it is": {"patience": 2},
    "averaged": {"ema": 0.9, "min_crop": 0.5, "erasing": 0.3},
    "mixed": {"mixup": 0.2, "cutmix": 1.0, "rand_augment": 2},
    "in larger batches": {"stages": 2, "start_resolution": 0.75, "progressive_batch": True},
    "frozen at first": {"freeze_epochs": 1},
}


def norms(share: Share) -> dict[str, torch.Tensor]:
    """Returns what two passes through BatchNorm leave, as the share's process group sees it."""
    torch.manual_seed(0)
    images, wanted = torch.randn(7, 6, 4, 4), torch.randn(7, 6, 4, 4)
    network = nn.Sequential(
        nn.Conv2d(6, 6, 1, bias=False), nn.BatchNorm2d(6, momentum=None), nn.SiLU()
    )
    if not share.alone:
        share_statistics(network, cuda=False)
    place = share.place(7)
    own = slice(None) if place is None else slice(place.start, place.stop)
    part = images[own].clone().requires_grad_()
    for _ in range(2):
        loss = ((network(part) - wanted[own]) ** 2).sum()
    loss.backward()
    assert part.grad is not None
    found = {name: value.detach() for name, value in network.named_buffers()}
    found |= {
        name: share.sum(p.grad) for name, p in network.named_parameters() if p.grad is not None
    }
    return {**found, "input": part.grad}


def trained(share: Share) -> dict[str, Any]:
    """Returns what short trainings end with, by the name of what is special about them."""
    data, device = load_data("digits", limit=300), pick_device("cpu")
    found = {}
    for name, values in RECIPES.items():
        recipe = load_recipe("fast", {"epochs": 2, "patience": 0, "lr": 0.05, **values})
        made = train(TINY, data, recipe, seed=1, device=device, engine=Engine(share=share))
        rows = [(r.epoch, r.lr, r.loss, r.accuracy or 0.0) for r in made.history]
        found[name] = {"weights": made.network.state_dict(), "rows": torch.tensor(rows)}
    return found


def refused(share: Share) -> list[str]:
    """Returns what is said of a batch that cannot be shared, and of ranks that are not agreed."""
    said = []
    try:
        share.check_batch(63)
    except InputError as error:
        said.append(str(error))
    share.check_agreed(3, 4)
    try:
        share.check_agreed(3, share.rank)
    except RunError as error:
        said.append(str(error))
    return said


def masks(share: Share) -> torch.Tensor:
    """Returns what this rank draws for itself, and then what all draw."""
    torch.manual_seed(3)
    with share.own_randomness(pick_device("cpu")):
        own = torch.rand(8)
    return torch.cat([own, torch.rand(8)])


def main(rank: int, ranks: int, folder: Path) -> None:
    torch.set_num_threads(1)
    share = Share(rank, ranks)
    if ranks > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=ranks,
            timeout=timedelta(seconds=120),
        )  # fmt: skip
    found = {"norms": norms(share), "trained": trained(share), "masks": masks(share)}
    if ranks > 1:
        found["refused"] = refused(share)
        torch.distributed.destroy_process_group()
    torch.save(found, folder / f"{ranks}-{rank}.pt")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
