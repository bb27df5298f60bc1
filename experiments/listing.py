"""What `nas list` and `nas cost` show: networks, spaces, samplers, recipes, counts by stage."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from experiments.recipes import load_recipe, recipe_names
from experiments.space_files import read_space
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import SKELETONS, SPACES, make_space
from search_spaces.spec import ArchSpec

__all__ = ["check_document", "cost_document", "listing_document", "spaces_document"]

OWN_SIZE = 32  # of the images that a file's space is listed for, where it gives no resolution


def cost_document(spec: ArchSpec, *, batch: int = 1) -> dict[str, Any]:
    """Counts a network: totals and stages. MACs are multiply-adds, counted once."""
    counted = cost(spec, batch=batch)
    return {
        "name": spec.name,
        "fingerprint": fingerprint(spec),
        "resolution": counted.resolution,
        "num_classes": spec.num_classes,
        "batch": batch,
        "params": counted.params,
        "macs": counted.macs,
        "activations": counted.activations,
        "train_memory_bytes": counted.train_memory_bytes,
        "inference_memory_bytes": counted.inference_memory_bytes,
        "stages": [asdict(stage) for stage in counted.stages],
    }


def check_document(spec: ArchSpec) -> dict[str, Any]:
    """Counts the built network with fvcore, and compares; says what fvcore could not count."""
    import torch  # noqa: PLC0415 (the counts themselves need no torch)

    from experiments.counting import count_with_fvcore, network_of_zeros  # noqa: PLC0415

    image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
    counted = count_with_fvcore(network_of_zeros(spec), image)
    return {
        "macs": counted.macs,
        "equal": counted.macs == cost(spec).macs,
        "other_counted": dict(counted.other_counted),
        "uncounted": dict(counted.uncounted),
    }


def _networks() -> list[dict[str, Any]]:
    rows = []
    for name, entry in CATALOG.items():
        spec = catalog_spec(name)
        counted = cost(spec)
        rows.append(
            {
                "name": name,
                "resolution": spec.resolution,
                "params": counted.params,
                "macs": counted.macs,
                "published_params": entry.params or None,
                "published_macs": entry.macs or None,
                "top1": entry.top1,
                "source": entry.source,
            }
        )
    return rows


def _space_row(space: SearchSpace, skeleton: str, about: str) -> dict[str, Any]:
    low, high = space.macs_range
    return {
        "name": space.name,
        "skeleton": skeleton,
        "resolution": space.skeleton.resolution,
        "size": space.size,
        "networks": space.networks,
        "choices": len(space.choices),
        "fewest_macs": low,
        "most_macs": high,
        "about": about,
    }


def _known_space(name: str) -> list[dict[str, Any]]:
    if name in MEASURED:
        return [_space_row(MEASURED[name].make(), "own", MEASURED[name].about)]
    return [
        _space_row(
            make_space(name, image_size=min(skeleton.up_to, 224), num_classes=10),
            skeleton.name,
            SPACES[name].about,
        )
        for skeleton in SKELETONS
    ]


def spaces_document(asked: str) -> dict[str, Any]:
    """Returns the list of spaces with one space only: a known one, or a file's."""
    space = read_space(asked)
    if isinstance(space, str):
        return {"spaces": _known_space(space)}
    made = make_space(space, image_size=OWN_SIZE, num_classes=10)
    offered = {name: None for choice in made.choices for name in [choice.name.split(".")[1]]}
    return {"spaces": [_space_row(made, "own", f"{asked}; {', '.join(offered) or 'no choice'}")]}


def _spaces() -> list[dict[str, Any]]:
    return [row for name in (*SPACES, *MEASURED) for row in _known_space(name)]


def _samplers() -> list[dict[str, Any]]:
    from nas.samplers import ABOUT  # noqa: PLC0415 (Optuna takes a while to import)

    return [{"name": name, "about": about} for name, about in ABOUT.items()]


def _recipes() -> list[dict[str, Any]]:
    return [{"name": name, **load_recipe(name).model_dump()} for name in recipe_names()]


LISTINGS = {"networks": _networks, "spaces": _spaces, "samplers": _samplers, "recipes": _recipes}


def listing_document(kind: str) -> dict[str, Any]:
    """Returns one of the lists, by its name."""
    return {kind: LISTINGS[kind]()}
