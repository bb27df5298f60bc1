from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from experiments.config import RunConfig
from experiments.data import ImageData, load_data
from experiments.device import Device, pick_device
from experiments.prepare import DataRequest, data_config, start
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.search_request import SearchRequest
from experiments.session import Session
from experiments.store import RunFolder
from search_spaces.codec import stages_from_strings
from search_spaces.spec import ArchSpec


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data("digits", limit=400)


@pytest.fixture(scope="session")
def cpu() -> Device:
    return pick_device("cpu")


@pytest.fixture(scope="session")
def tiny() -> ArchSpec:
    """Gives a network that trains in a blink on 8×8 images."""
    return ArchSpec(
        name="tiny",
        resolution=8,
        stages=stages_from_strings("ir_r1_k3_s1_e2_c8 ir_r1_k3_s2_e2_c16_se0.25"),
        stem_ch=8,
        stem_stride=1,
        head_ch=32,
        num_classes=10,
    )


@pytest.fixture(scope="session")
def quick() -> Recipe:
    return load_recipe("fast", {"epochs": 2, "patience": 0})


@pytest.fixture
def config(digits: ImageData, quick: Recipe) -> RunConfig:
    return RunConfig(seed=0, data=data_config(digits, limit=400, seed=0), recipe=quick)


@pytest.fixture
def session(tmp_path: Path, config: RunConfig, digits: ImageData, cpu: Device) -> Session:
    folder = RunFolder(tmp_path / "run")
    return Session(folder, folder.open(config), digits, cpu, Reporter())


Opener = Callable[..., Session]


@pytest.fixture
def open_session() -> Iterator[Opener]:
    """Opens sessions as the command does; they are closed when the test ends."""
    with ExitStack() as stack:

        def opened(
            path: Path,
            search: SearchRequest | None = None,
            *,
            limit: int = 200,
            **overrides: object,
        ) -> Session:
            request = DataRequest("digits", limit=limit, device="cpu", overrides=overrides)
            reporter = Reporter()
            return stack.enter_context(start(request, RunFolder(path), reporter, search))

        yield opened


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
