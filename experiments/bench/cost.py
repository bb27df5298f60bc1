"""The cost model's speed beside other counters, and beside building the network with timm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from experiments.bench.timing import Rows, time_repeats, timing_row
from experiments.counting import count_with_fvcore, network_of_zeros, quiet
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.layers import block_layers
from search_spaces.libraries import import_library, missing_for
from search_spaces.spec import ArchSpec

__all__ = ["bench_cost"]

NETWORKS = {"efficientnet_b0": "efficientnet_b0", "efficientnetv2_l": "tf_efficientnetv2_l"}
QUICK, SLOW = 200, 5  # repeats


def _fvcore(network: nn.Module, side: int) -> int:
    return count_with_fvcore(network, torch.zeros(1, 3, side, side)).macs


def _ptflops(network: nn.Module, side: int) -> int:
    with quiet():
        macs, _ = import_library("ptflops").get_model_complexity_info(
            network, (3, side, side), as_strings=False, print_per_layer_stat=False, verbose=False
        )
    return int(macs)


def _torchinfo(network: nn.Module, side: int) -> int:
    summary = import_library("torchinfo").summary(network, (1, 3, side, side), verbose=0)
    return int(summary.total_mult_adds)


COUNTERS: dict[str, Callable[[nn.Module, int], int]] = {
    "fvcore": _fvcore,
    "ptflops": _ptflops,
    "torchinfo": _torchinfo,
}


def bench_cost() -> Rows:
    """Times counting a network by its spec, by three other counters, and only building it.

    The other counters get a network that is built already; `macs` is what each of them says.
    Libraries that are not installed get a row that says so.
    """
    return [row for ours, theirs in NETWORKS.items() for row in _rows(ours, theirs)]


def _rows(ours: str, theirs: str) -> Rows:
    spec = catalog_spec(ours)
    network = network_of_zeros(spec)
    rows = [
        timing_row(f"cost({ours})", time_repeats(lambda: cost(spec), QUICK), macs=cost(spec).macs),
        timing_row(
            f"cost({ours}), nothing remembered",
            time_repeats(partial(_cost_afresh, spec), QUICK),
            macs=cost(spec).macs,
        ),
    ]
    for name, count in COUNTERS.items():
        rows.append(_timed(name, f"{name}, {ours} built", partial(count, network, spec.resolution)))
    rows.append(_timed("timm", f"building {ours} in timm", partial(_built, theirs)))
    return rows


def _cost_afresh(spec: ArchSpec) -> None:
    block_layers.cache_clear()
    cost(spec)


def _built(name: str) -> None:
    import_library("timm").create_model(name)


def _timed(library: str, what: str, work: Callable[[], int | None]) -> dict[str, Any]:
    if missing := missing_for(library):
        nothing = {"median ms": None, "deviation ms": None, "n": 0, "macs": None}
        return {"what": f"{what}: {' and '.join(missing)} not installed", **nothing}
    return timing_row(what, time_repeats(work, SLOW), macs=work())
