"""The compiled kernels, held to torch's own operations in double precision."""

import copy
import shutil
from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces import kernels
from search_spaces.blocks import ACTIVATIONS, ConvNormAct
from search_spaces.catalog import catalog_spec
from search_spaces.errors import InputError
from search_spaces.kernels import load_kernels
from search_spaces.kernels.functions import CODES, Depthwise, Gated, NormAct
from search_spaces.kernels.modules import use_kernels
from search_spaces.layers import ConvLayer
from search_spaces.network import Network, build

COMPILER = shutil.which("c++") is not None
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C++ compiler on this machine")
TOLERANCE = 2e-5


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if COMPILER:
        load_kernels()


@pytest.fixture(params=[1, 3], ids=["one thread", "three"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def packed(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return drawn.to(memory_format=torch.channels_last)


def leaves(*tensors: Tensor, double: bool = False) -> list[Tensor]:
    kind = torch.float64 if double else torch.float32
    return [tensor.detach().to(kind).requires_grad_() for tensor in tensors]


def close(ours: Tensor, exact: Tensor) -> None:
    ours, exact = ours.detach().double(), exact.detach()
    assert float((ours - exact).abs().max()) <= TOLERANCE * max(1.0, float(exact.abs().max()))


def assert_same_gradients(
    out: Tensor, wanted: Tensor, upstream: Tensor, *, leaves: Iterable[tuple[Tensor, Tensor]]
) -> None:
    torch.autograd.backward(out, upstream)
    torch.autograd.backward(wanted, upstream.double())
    for ours, exact in leaves:
        assert ours.grad is not None
        assert exact.grad is not None
        close(ours.grad, exact.grad)


@needs_compiler
@pytest.mark.parametrize("act", CODES)
@pytest.mark.parametrize("shape", [(4, 3, 5, 7), (2, 16, 9, 9), (3, 37, 1, 2), (2, 24, 33, 17)])
def test_norm_act(act: str | None, shape: tuple[int, ...], threads: int) -> None:
    x, upstream = packed(*shape) * 3 + 5, packed(*shape, seed=1)
    weight, bias = torch.rand(shape[1]) + 0.5, torch.randn(shape[1])
    ours, exact = leaves(x, weight, bias), leaves(x, weight, bias, double=True)
    out, mean, variance = NormAct.apply(*ours, 1e-3, CODES[act])  # type: ignore[no-untyped-call]
    activation = ACTIVATIONS[act]() if act else nn.Identity()  # type: ignore[index]
    wanted = activation(F.batch_norm(exact[0], None, None, exact[1], exact[2], True, 0.1, 1e-3))
    close(out, wanted)
    close(mean, exact[0].mean((0, 2, 3)))
    close(variance, exact[0].var((0, 2, 3), unbiased=False))
    assert_same_gradients(out, wanted, upstream, leaves=zip(ours, exact, strict=True))


@needs_compiler
@pytest.mark.parametrize("shape", [(2, 5, 3, 3), (3, 40, 11, 7), (1, 64, 1, 1)])
def test_gated(shape: tuple[int, ...], threads: int) -> None:
    x, gate, upstream = packed(*shape), torch.rand(*shape[:2], 1, 1), packed(*shape, seed=1)
    ours, exact = leaves(x, gate), leaves(x, gate, double=True)
    out, wanted = Gated.apply(*ours), exact[0] * exact[1]  # type: ignore[no-untyped-call]
    close(out, wanted)
    assert_same_gradients(out, wanted, upstream, leaves=zip(ours, exact, strict=True))


@needs_compiler
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["half", "none"])
@pytest.mark.parametrize("shape", [(2, 5, 8, 9), (1, 33, 13, 7)])
def test_depthwise(
    kernel: int, stride: int, padding: str, shape: tuple[int, ...], threads: int
) -> None:
    pad = kernel // 2 if padding == "half" else 0
    x, weight = packed(*shape), torch.randn(shape[1], 1, kernel, kernel)
    ours, exact = leaves(x, weight), leaves(x, weight, double=True)
    out = Depthwise.apply(*ours, stride, pad)  # type: ignore[no-untyped-call]
    wanted = F.conv2d(exact[0], exact[1], None, stride, pad, 1, shape[1])
    close(out, wanted)
    upstream = packed(*out.shape, seed=1)
    assert_same_gradients(out, wanted, upstream, leaves=zip(ours, exact, strict=True))


def twins(name: str) -> tuple[Network, Network]:
    torch.manual_seed(0)
    plain = build(catalog_spec(name), num_classes=7).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = copy.deepcopy(plain)
    use_kernels(fused)
    return plain, fused


@needs_compiler
@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "mobilenetv3_small", "efficientnetv2_b0", "resnet18"]
)
def test_a_network_trains_the_same_step(name: str) -> None:
    plain, fused = twins(name)
    x, labels = packed(4, 3, 64, 64), torch.tensor([0, 1, 2, 6])
    for network in (plain, fused):
        torch.manual_seed(1)
        torch.autograd.backward(F.cross_entropy(network.train()(x), labels))
    for (key, one), other in zip(
        plain.state_dict().items(), fused.state_dict().values(), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-4), key
    with torch.inference_mode():
        assert torch.allclose(plain.eval()(x), fused.eval()(x), atol=1e-4)
    grads = [torch.cat([p.grad.ravel() for p in n.parameters() if p.grad is not None])
             for n in (plain, fused)]  # fmt: skip
    assert float(F.cosine_similarity(grads[0], grads[1], dim=0)) > 0.999


@needs_compiler
def test_a_convolution_of_one_channel_is_not_taken_for_depthwise() -> None:
    plain = ConvNormAct(ConvLayer("stem", 1, 16, 3, 2, act="relu"), eps=1e-3, momentum=0.1)
    fused = copy.deepcopy(plain)
    use_kernels(fused)
    plain.double()
    x, upstream = packed(4, 1, 9, 9), packed(4, 16, 5, 5, seed=1)
    weights = zip(fused.parameters(), plain.parameters(), strict=True)
    assert_same_gradients(fused(x), plain(x.double()), upstream, leaves=weights)


@needs_compiler
def test_what_the_kernels_cannot_take_goes_as_before() -> None:
    plain, fused = twins("efficientnet_lite0")
    contiguous, double = torch.randn(2, 3, 32, 32), packed(2, 3, 32, 32).double()
    assert torch.equal(plain.eval()(contiguous), fused.eval()(contiguous))
    logits = []
    for network in (plain, fused):
        torch.manual_seed(1)  # of dropout
        logits.append(network.double().train()(double))
    assert torch.equal(*logits)


@needs_compiler
def test_state_dict_and_copies_keep_their_names() -> None:
    plain, fused = twins("mobilenetv3_small")
    assert list(plain.state_dict()) == list(fused.state_dict())
    assert list(copy.deepcopy(fused).state_dict()) == list(plain.state_dict())


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="no-such-compiler"):
        kernels.load_kernels.__wrapped__()
