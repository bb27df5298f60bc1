"""The modules: shapes, gradients, residuals and stochastic depth."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

from search_spaces.blocks import Block, SqueezeExcite, drop_path
from search_spaces.cost import cost
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec, BlockKind, BlockSpec, StageSpec
from tests.search_spaces.strategies import arch_specs


def images(spec: ArchSpec, batch: int) -> Tensor:
    return torch.randn(batch, spec.in_ch, spec.resolution, spec.resolution)


@given(spec=arch_specs())
def test_sides_are_those_that_were_counted(spec: ArchSpec) -> None:
    network = build(spec).eval()
    modules = [network.stem_pool, *network.stages, network.head]
    shapes: list[torch.Size] = []
    for module in modules:
        module.register_forward_hook(lambda _module, _args, out: shapes.append(out.shape))
    with torch.no_grad():
        logits = network(images(spec, 2))
    assert logits.shape == (2, spec.num_classes)
    expected = [(2, stage.out_ch, stage.side, stage.side) for stage in cost(spec).stages[:-1]]
    assert shapes == [torch.Size(shape) for shape in expected]


def keep_gates_alive(network: nn.Module) -> None:
    """Biases every activation's input away from where a ReLU or a hard gate is off."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.bias)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.ones_(module.bias)
        if isinstance(module, SqueezeExcite):
            with torch.no_grad():
                module.reduce.weight.mul_(0.05)
                module.expand.weight.mul_(0.05)
                nn.init.ones_(module.reduce.bias)  # type: ignore[arg-type]


def backward(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    out = network(x)
    (out * torch.randn_like(out)).sum().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def assert_gradients_everywhere(network: nn.Module, x: Tensor) -> None:
    """Checks training mode, then evaluation mode with the statistics of this very batch.

    In training mode a BatchNorm removes whatever shift an earlier one adds, so that gradient is
    rightly nought there; in evaluation mode every parameter must matter.
    """
    keep_gates_alive(network)
    names = {name for name, _ in network.named_parameters()}
    trained = backward(network.train(), x)
    assert set(trained) == names
    assert all(torch.isfinite(grad).all() for grad in trained.values())
    evaluated = backward(network.eval(), x)
    assert [name for name in names if not evaluated[name].abs().sum() > 0] == []


@given(spec=arch_specs())
def test_a_gradient_reaches_every_parameter(spec: ArchSpec) -> None:
    torch.manual_seed(0)
    spec = replace(spec, drop_path=0.0, dropout=0.0, bn_momentum=1.0)
    assert_gradients_everywhere(build(spec), images(spec, 8))


@pytest.mark.parametrize(
    ("kind", "expand", "se_ratio"),
    [
        *((kind, expand, se) for kind in ("mbconv", "fused") for expand in (1, 4) for se in (0, 1)),
        ("conv", 1, 0),
        ("dsconv", 1, 0),
        ("dsconv", 1, 0.5),
        ("basic", 1, 0),
        ("bottleneck", 0.25, 0),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_gradient_reaches_every_parameter_of_each_block(
    kind: BlockKind, expand: float, se_ratio: float, stride: int
) -> None:
    torch.manual_seed(0)
    spec = BlockSpec(kind, 3, stride, 8, 8, expand=expand, se_ratio=se_ratio)
    block = Block(spec, eps=1e-3, momentum=1.0)
    assert_gradients_everywhere(block, torch.randn(8, 8, 9, 9))


@pytest.mark.parametrize(
    ("stride", "out_ch", "skip", "expected"),
    [(1, 8, "identity", True), (2, 8, "identity", False), (1, 16, "identity", False),
     (1, 8, "none", False)],
)  # fmt: skip
def test_a_block_adds_its_input_only_where_it_should(
    stride: int, out_ch: int, skip: str, expected: bool
) -> None:
    spec = BlockSpec("mbconv", 3, stride, 8, out_ch, expand=2, skip=skip)  # type: ignore[arg-type]
    block = Block(spec, eps=1e-3, momentum=0.01).eval()
    x = torch.randn(2, 8, 7, 7)
    with torch.no_grad():
        added = block(x) - block.path(x)
    assert spec.has_residual is expected
    assert torch.equal(added, torch.zeros_like(added)) is not expected
    if expected:
        assert torch.allclose(added, x, atol=1e-5)


@pytest.mark.parametrize(("out_ch", "kept"), [(3, 3), (8, 4)])
def test_a_pooled_skip_averages_pixels_and_fits_the_channels(out_ch: int, kept: int) -> None:
    spec = BlockSpec("mbconv", 3, 2, 4, out_ch, expand=2, skip="pooled")
    block = Block(spec, eps=1e-3, momentum=0.01).eval()
    x = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        added = block(x) - block.path(x)
    assert added.shape == (2, out_ch, 3, 3)
    corner, edge = x[:, :kept, :2, :2].mean((2, 3)), x[:, :kept, 4, :2].mean(2)
    assert torch.allclose(added[:, :kept, 0, 0], corner, atol=1e-5)
    assert torch.allclose(added[:, :kept, 2, 0], edge, atol=1e-5)
    assert not added[:, kept:].any()


@pytest.mark.parametrize(("side", "before", "after"), [(8, 0, 1), (7, 1, 1)])
def test_same_padding_leans_to_the_bottom_right(side: int, before: int, after: int) -> None:
    stage = StageSpec("conv", 3, 2, 1, 1, 1)
    spec = ArchSpec("same", side, (stage,), stem_ch=1, in_ch=1, padding="same")
    stem = build(spec).stem
    x = torch.randn(1, 1, side, side)
    padded = nn.functional.pad(x, (before, after, before, after))
    expected = nn.functional.conv2d(padded, stem.conv.weight, stride=2)
    found: list[Tensor] = []
    stem.norm.register_forward_hook(lambda _module, args, _out: found.append(args[0]))
    stem.eval()(x)
    assert torch.allclose(found[0], expected, atol=1e-6)


def test_a_residual_blocks_activation_follows_the_addition() -> None:
    block = Block(BlockSpec("basic", 3, 2, 4, 8, act="relu"), eps=1e-5, momentum=0.1).eval()
    x = torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        assert torch.equal(block(x), (block.shortcut(x) + block.path(x)).relu())


def test_drop_path_zeroes_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = drop_path(torch.ones(20_000, 3, 2, 2), 0.2)
    per_sample = out.flatten(1)
    assert torch.equal(per_sample.amin(1), per_sample.amax(1))
    assert set(per_sample[:, 0].tolist()) == {0.0, 1.25}
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)


def test_only_training_drops_paths() -> None:
    torch.manual_seed(0)
    spec = BlockSpec("fused", 3, 1, 4, 4, expand=2)
    block = Block(spec, eps=1e-3, momentum=0.01, drop_rate=0.9)
    x = torch.randn(64, 4, 5, 5)
    with torch.no_grad():
        dropped = (block.train()(x) == x).flatten(1).all(1)
        kept = (block.eval()(x) == x).flatten(1).all(1)
    assert 40 < int(dropped.sum()) < 64
    assert not kept.any()


def blocks_of(network: Network) -> list[Block]:
    return [module for module in network.modules() if isinstance(module, Block)]


def test_drop_path_rises_linearly_from_nought() -> None:
    stages = (StageSpec("mbconv", 3, 1, 1, 8, 2), StageSpec("fused", 3, 2, 2, 16, 3))
    spec = ArchSpec("two", 16, stages, drop_path=0.2)
    rates = [block.drop_rate for block in blocks_of(build(spec))]
    assert rates == pytest.approx([0.2 * i / 5 for i in range(5)])
    assert all(low < high for low, high in pairwise(rates))


def test_build_may_replace_the_number_of_classes() -> None:
    spec = ArchSpec("one", 8, (StageSpec("mbconv", 3, 1, 1, 8, 1),))
    network = build(spec, 7)
    assert network.classifier.out_features == network.spec.num_classes == 7
