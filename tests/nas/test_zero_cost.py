"""Zero-cost scores, held to what can be computed by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.zero_cost import SCORES, Batch, scores_of, warm_start
from nas.zero_cost.batch import scoring_copy
from nas.zero_cost.scores import grad_norm, naswot, params, synflow, zico
from nas.zero_cost.scoring import fresh_network, mean_ranks
from search_spaces.blocks import Block, ConvNormAct
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec, StageSpec
from tests.nas.fakes import tiny_space, wide_space

CLASSES = 4


def small_spec(stages: int = 2, kind: str = "mbconv", se: float = 0.25) -> ArchSpec:
    stage = StageSpec(kind, 3, 1, 3, 8, 2, se)  # type: ignore[arg-type]
    return ArchSpec(
        "small", 8, (stage,) * stages, stem_ch=8, stem_stride=1, head_ch=16, num_classes=CLASSES
    )


def batch_of(count: int = 8, side: int = 8, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=generator)
    return Batch(images, torch.arange(count) % CLASSES)


def flat_batch(*rows: list[float]) -> Batch:
    return Batch(torch.tensor(rows), torch.zeros(len(rows), dtype=torch.int64))


def linear(*matrices: list[list[float]], bias: bool = True) -> nn.Sequential:
    layers = []
    for matrix in matrices:
        layer = nn.Linear(len(matrix[0]), len(matrix), bias=bias)
        layer.weight.data = torch.tensor(matrix)
        layers.append(layer)
    return nn.Sequential(*layers)


FIRST, SECOND = [[1.0, -2.0], [0.5, 3.0]], [[-1.0, 4.0], [2.0, -1.0]]
ZEROS = flat_batch(*[[0.0, 0.0]] * 4)


def test_synflow_of_two_linear_layers_is_twice_the_product_of_absolute_weights() -> None:
    flow = np.abs(SECOND).sum(0) @ np.abs(FIRST).sum(1)
    network = linear(FIRST, SECOND)
    assert synflow(network, ZEROS) == pytest.approx(math.log(2 * flow), rel=1e-12)


def test_synflow_lets_positive_numbers_pass_activations_and_batch_norm() -> None:
    first, second = linear(FIRST, SECOND)
    bent = nn.Sequential(first, nn.SiLU(), second, nn.ReLU6())
    assert synflow(bent, ZEROS) == synflow(linear(FIRST, SECOND), ZEROS)
    conv = nn.Conv2d(3, 2, 1, bias=False)
    norm = nn.BatchNorm2d(2)
    assert norm.running_mean is not None
    norm.running_mean.fill_(7.0)
    expected = math.log(float(conv.weight.detach().double().abs().sum()) * 64)
    assert synflow(nn.Sequential(conv, norm), batch_of()) == pytest.approx(expected, rel=1e-12)


def test_synflow_without_a_way_through_is_minus_infinity() -> None:
    assert synflow(linear(FIRST, [[0.0, 0.0]]), ZEROS) == -math.inf


def test_synflow_is_rescaled_exactly_and_stays_finite() -> None:
    network = fresh_network(small_spec(), num_classes=CLASSES).double()
    plain = synflow(nn.Sequential(network), batch_of())
    with torch.no_grad():
        network.stem.conv.weight.mul_(1e100)
    assert synflow(network, batch_of()) == pytest.approx(plain + 100 * math.log(10), rel=1e-9)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, ConvNormAct):
                layer.conv.weight.mul_(1e33)
    found = synflow(network, batch_of())
    assert found > math.log(np.finfo(np.float64).max)
    assert math.isfinite(found)


def flow_without_rescaling(network: nn.Module, image: Tensor) -> float:
    """Sums |θ·∂R/∂θ| as the formula says, of a network with no more than convolutions."""
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    grads = torch.autograd.grad(network(image).sum(), [layer.weight for layer in layers])
    flows = [(m.weight * g).abs().sum() for m, g in zip(layers, grads, strict=True)]
    return float(torch.stack(flows).sum().detach())


def test_synflow_of_blocks_with_residuals_is_the_formula() -> None:
    network = fresh_network(small_spec(se=0.0), num_classes=CLASSES)
    plain = fresh_network(small_spec(se=0.0), num_classes=CLASSES).double().eval()
    for module in plain.modules():
        for name, child in module.named_children():
            if isinstance(child, (nn.BatchNorm2d, nn.SiLU)):
                setattr(module, name, nn.Identity())
    for weights in plain.parameters():
        weights.data.abs_()
    expected = flow_without_rescaling(plain, torch.ones(1, 3, 8, 8, dtype=torch.float64))
    assert synflow(network, batch_of()) == pytest.approx(math.log(expected), rel=1e-9)


def test_grad_norm_by_hand() -> None:
    network = linear([[1.0, 0.0], [0.0, 1.0]], bias=False)
    batch = flat_batch(*[[2.0, 2.0]] * 4)
    # Equal logits: p = ½, so ∂L/∂W = (p − y)xᵀ = [[−1, −1], [1, 1]] for label 0.
    assert grad_norm(network, batch) == pytest.approx(2.0)


def test_naswot_of_known_codes() -> None:
    network = nn.Sequential(nn.ReLU())
    batch = flat_batch([1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [-1.0, -1.0, -1.0])
    kernel = np.array([[3, 1, 1, 1], [1, 3, 1, 1], [1, 1, 3, 1], [1, 1, 1, 3]])
    assert naswot(network, batch) == pytest.approx(np.linalg.slogdet(kernel)[1])


def test_naswot_of_identical_images_is_minus_infinity() -> None:
    one = batch_of().images[:1]
    batch = Batch(one.expand(4, -1, -1, -1), torch.zeros(4, dtype=torch.int64))
    assert naswot(fresh_network(small_spec(), num_classes=CLASSES), batch) == -math.inf


def test_naswot_does_not_mind_the_order_of_images() -> None:
    network, batch = fresh_network(small_spec(), num_classes=CLASSES), batch_of()
    turned = Batch(batch.images.flip(0), batch.labels.flip(0))
    assert naswot(network, turned) == pytest.approx(naswot(network, batch), rel=1e-6)


def test_zico_by_hand() -> None:
    network = linear([[0.0, 0.0], [0.0, 0.0]], bias=False)
    batch = flat_batch([2.0, 1.0], [2.0, 1.0], [6.0, 1.0], [6.0, 1.0])
    # Gradients of the first column are ∓1 and ∓3, of the second ∓½ twice, which is left out:
    # two weights of mean 2 and deviation 1.
    assert zico(network, batch) == pytest.approx(math.log(4.0))


def test_zico_of_halves_that_are_the_same_is_zero() -> None:
    batch = batch_of(4)
    twice = Batch(batch.images.repeat(2, 1, 1, 1), batch.labels.repeat(2))
    network = nn.Sequential(nn.Conv2d(3, CLASSES, 8), nn.Flatten())
    assert zico(network, twice) == 0.0


def test_counts_are_those_of_the_spec() -> None:
    spec = small_spec()
    network = fresh_network(spec, num_classes=CLASSES)
    assert params(network, batch_of(side=4)) == cost(spec).params
    assert SCORES["macs"](network, batch_of(side=4)) == cost(spec).macs


@pytest.mark.parametrize("name", SCORES)
def test_scores_leave_the_network_as_it_was_and_repeat(name: str) -> None:
    network, batch = fresh_network(small_spec(), num_classes=CLASSES), batch_of()
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    first = SCORES[name](network, batch)
    assert math.isfinite(first)
    assert SCORES[name](network, batch) == first
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(weights.grad is None for weights in network.parameters())
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("name", SCORES)
def test_what_is_for_training_does_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from search_spaces.kernels.modules import use_kernels

    network, batch = fresh_network(small_spec(), num_classes=CLASSES), batch_of()
    batch = Batch(batch.images.contiguous(memory_format=torch.channels_last), batch.labels)
    expected = SCORES[name](network, batch)
    network.dropout.p = 0.9
    for module in network.modules():
        if isinstance(module, Block):
            module.drop_rate = 0.5
    # Not built, so whatever would call a kernel fails.
    monkeypatch.setattr("search_spaces.kernels.modules.load_kernels", lambda: None)
    use_kernels(network)
    assert SCORES[name](network.train(), batch) == expected


def test_a_scoring_copy_normalises_by_the_batch() -> None:
    norm = nn.BatchNorm2d(3)
    images = 5 + 3 * batch_of().images
    out = scoring_copy(nn.Sequential(norm))(images).detach()
    assert float(out.mean()) == pytest.approx(0, abs=1e-5)
    assert float(out.var()) == pytest.approx(1, abs=0.05)


def test_scores_are_looked_up_by_fingerprint() -> None:
    specs, names = [small_spec(), small_spec(1), small_spec()], ("params", "naswot")
    cache: dict[str, dict[str, float]] = {}
    told: list[int] = []
    found = scores_of(
        specs, names, batch_of(), num_classes=CLASSES, cache=cache, on_scored=told.append
    )
    assert found.shape == (3, 2)
    assert np.array_equal(found[0], found[2])
    assert found[0, 0] == cost(specs[0]).params
    assert set(cache) == {fingerprint(spec) for spec in specs}
    assert told == [0, 1, 2]
    cache[fingerprint(specs[1])]["naswot"] = 123.0
    again = scores_of(specs, names, batch_of(), num_classes=CLASSES, cache=cache)
    assert again[1, 1] == 123.0


def test_a_seed_decides_and_nothing_else() -> None:
    def score(seed: int) -> np.ndarray:
        return scores_of([small_spec()], ("zico",), batch_of(), num_classes=CLASSES, seed=seed)

    torch.manual_seed(1)
    first = score(0)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert score(0) == first
    assert torch.equal(torch.random.get_rng_state(), state)
    assert score(1) != first


def test_what_is_not_a_number_ranks_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.zero_cost.scoring.SCORES", {"odd": lambda network, batch: math.nan})
    found = scores_of([small_spec()], ("odd",), batch_of(), num_classes=CLASSES)
    assert found.tolist() == [[-math.inf]]


def test_mean_ranks() -> None:
    scores = np.array([[1.0, 5.0], [2.0, -np.inf], [3.0, 7.0]])
    assert mean_ranks(scores).tolist() == [1.5, 1.5, 3.0]


def test_a_warm_start_takes_the_best_within_reach() -> None:
    space = make_space("fused", image_size=8, num_classes=10)
    cache: dict[str, dict[str, float]] = {}
    batch = Batch(batch_of(8, 16).images, torch.arange(8))
    draw: Callable[..., list[dict[str, object]]] = warm_start  # type: ignore[assignment]
    asked = {"count": 3, "candidates": 10, "names": ("params",), "cache": cache}
    found = draw(space, 2e6, batch, **asked)
    assert len(found) == 3
    specs = [space.decode(choices) for choices in found]  # type: ignore[arg-type]
    assert all(2e6 / 1.25 <= cost(spec).macs <= 2e6 * 1.25 for spec in specs)
    counts = [cost(spec).params for spec in specs]
    assert counts == sorted((scores["params"] for scores in cache.values()), reverse=True)[:3]
    assert draw(space, 2e6, batch, **asked) == found
    assert draw(space, 2e6, batch, **asked, seed=1) != found


def test_a_warm_start_in_a_space_with_few_networks() -> None:
    space = tiny_space()
    found = warm_start(
        space,
        sum(space.macs_range) / 2,
        batch_of(),
        count=4,
        candidates=30,
        names=("macs",),
        reach=100.0,
    )
    assert len(found) == space.networks


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(InputError, match="'naswott'; did you mean 'naswot'"):
        scores_of([], ("naswott",), batch_of(), num_classes=CLASSES)
    with pytest.raises(InputError, match="no zero-cost score is named"):
        scores_of([], (), batch_of(), num_classes=CLASSES)
    with pytest.raises(InputError, match="a batch of 3 images"):
        batch_of(3)
    with pytest.raises(InputError, match="4 images have 5 labels"):
        Batch(batch_of(4).images, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(InputError, match="5 warm starts of 4 candidates"):
        warm_start(wide_space(), 2e6, batch_of(), count=5, candidates=4)
    space = make_space("mixed", image_size=8, num_classes=10)
    with pytest.raises(InputError, match="no network of space 'mixed'"):
        warm_start(space, 1e12, batch_of(), count=1)
