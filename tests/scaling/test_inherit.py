"""Weights inherited by wider and deeper networks: the same logits, and copies that part."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scaling.compound import PAPER, Constants, scale
from scaling.inherit import Inherited, inherit, obstacles
from search_spaces.block_spec import Skip
from search_spaces.catalog import catalog_spec
from search_spaces.errors import InputError
from search_spaces.network import Network, build
from search_spaces.resize import Rounding, limit_stride, resize
from search_spaces.spec import Activation, ArchSpec, SqueezeSpec, StageSpec

CLOSE = 1e-4
FINE = Rounding(divisor=1, ninety_percent=False)
KINDS: dict[str, dict[str, Any]] = {
    "conv": {"kind": "conv", "expand": 1},
    "dsconv": {"kind": "dsconv", "expand": 1},
    "dsconv gated": {"kind": "dsconv", "expand": 1, "se_ratio": 0.25},
    "mbconv": {"kind": "mbconv", "expand": 6},
    "mbconv gated": {"kind": "mbconv", "expand": 4, "se_ratio": 0.25},
    "mbconv 1 gated": {"kind": "mbconv", "expand": 1, "se_ratio": 0.5},
    "mbconv 1 that expands": {"kind": "mbconv", "expand": 1, "expand_always": True},
    "mbconv of a width": {"kind": "mbconv", "expand": 1, "expand_ch": 20, "se_ratio": 0.25},
    "fused": {"kind": "fused", "expand": 4},
    "fused 1": {"kind": "fused", "expand": 1},
    "fused 1 gated": {"kind": "fused", "expand": 1, "se_ratio": 0.25},
    "fused gated": {"kind": "fused", "expand": 2, "se_ratio": 0.25},
    "basic": {"kind": "basic", "expand": 1, "act": "relu"},
    "bottleneck": {"kind": "bottleneck", "expand": 0.25, "act": "relu"},
    "bottleneck wide": {"kind": "bottleneck", "expand": 2, "act": "relu6"},
}


def network(widths: tuple[int, ...] = (12, 12, 20), **stage: Any) -> ArchSpec:
    """Makes a network of one kind of block: a stage as wide as the stem, then wider ones."""
    whole = {"kernel": 3, "repeats": 2, **stage}
    strides = (1, 2, 1, 2)
    return ArchSpec(
        name="base",
        resolution=17,
        stages=tuple(
            StageSpec(stride=s, out_ch=w, **whole)
            for s, w in zip(strides, widths, strict=False)
        ),
        stem_ch=widths[0],
        head_ch=24,
        num_classes=5,
        dropout=0.2,
    )  # fmt: skip


def trained(spec: ArchSpec, seed: int = 0) -> Network:
    """Stands in for a trained network: no parameter or statistic is what it starts as."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: torch.Tensor, low: float, high: float) -> None:
        tensor.uniform_(low, high, generator=generator)

    built = build(spec)
    with torch.no_grad():
        for module in built.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                draw(module.weight, 0.5, 1.5)
                draw(module.bias, -0.5, 0.5)
                draw(module.running_mean, -0.3, 0.3)
                draw(module.running_var, 0.5, 2.0)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, fan_in**-0.5, generator=generator)
                if module.bias is not None:
                    draw(module.bias, -0.5, 0.5)
    return built.eval()


def grown(base: Network, member: ArchSpec, seed: int = 0) -> tuple[Network, Inherited]:
    """Gives a member its base's weights."""
    network = build(member)
    found = inherit(
        base.state_dict(), base.spec, member, fresh=network.state_dict(), seed=seed
    )  # fmt: skip
    network.load_state_dict(found.state)
    return network.eval(), found


def difference(one: Network, other: Network, *, side: int | None = None) -> float:
    """Returns the largest difference of a logit, in their deviation where that is above 1."""
    generator = torch.Generator().manual_seed(1)
    size = side or one.spec.resolution
    images = torch.randn(3, 3, size, size, generator=generator)
    with torch.no_grad():
        left, right = one(images), other(images)
    assert left.std() > 1e-3, "logits that are all alike tell nothing apart"
    return float((left - right).abs().max() / max(1.0, float(left.std())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "depth"), [(1.5, 1.0), (1.0, 1.5), (1.25, 2.0), (2.7, 1.2)])
def test_a_member_gives_its_bases_logits(kind: str, width: float, depth: float) -> None:
    base = trained(network(**KINDS[kind]))
    member = resize(base.spec, width=width, depth=depth, resolution=23, rounding=FINE, name="m")
    found, inherited = grown(base, member)
    assert inherited.preserved, inherited.obstacles
    assert obstacles(base.spec, member) == ()
    for side in (17, 23):
        assert difference(base, found, side=side) < CLOSE


def stages(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[StageSpec]:
    return st.builds(
        lambda kind, **values: StageSpec(**{**KINDS[kind], **values}),
        kinds,
        kernel=st.sampled_from([1, 3, 5]),
        stride=st.sampled_from([1, 2]),
        out_ch=st.integers(4, 12),
        repeats=st.integers(1, 3),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[ArchSpec, ArchSpec]:
    base = ArchSpec(
        name="base",
        resolution=draw(st.integers(9, 20)),
        stages=tuple(draw(st.lists(stages(st.sampled_from(list(KINDS))), min_size=1, max_size=3))),
        stem_ch=draw(st.integers(4, 12)),
        stem_pool=draw(st.booleans()),
        head=draw(st.sampled_from(["conv", "none"])),
        head_ch=12,
        hidden_ch=draw(st.sampled_from([0, 8])),
        hidden_bias=draw(st.booleans()),
        num_classes=4,
        padding=draw(st.sampled_from(["symmetric", "same"])),
        expand_divisor=draw(st.sampled_from([1, 8])),
        se=SqueezeSpec(
            of=draw(st.sampled_from(["input", "expanded"])),
            rounding=draw(st.sampled_from(["down", "nearest", "divisible"])),
            gate=draw(st.sampled_from(["sigmoid", "hard_sigmoid"])),
        ),
    )
    width, depth = draw(st.floats(1, 2.5)), draw(st.floats(1, 2.5))
    return base, resize(base, width=width, depth=depth, rounding=FINE, name="member")


@given(pairs(), st.integers(0, 9))
@settings(max_examples=60)
def test_whatever_is_preserved_is_so(pair: tuple[ArchSpec, ArchSpec], seed: int) -> None:
    base = trained(pair[0], seed)
    found, inherited = grown(base, pair[1], seed)
    assert inherited.obstacles == obstacles(*pair)
    if inherited.preserved:
        assert difference(base, found) < CLOSE


CATALOG = (
    "efficientnet_b0", "efficientnetv2_b0", "mobilenetv2", "mobilenetv3_small", "resnet18",
    "resnet50",
)  # fmt: skip


@pytest.mark.parametrize("name", CATALOG)
def test_published_networks_grow(name: str) -> None:
    spec = replace(limit_stride(catalog_spec(name), 8), resolution=24, num_classes=10)
    base = trained(spec)
    member = scale(spec, 1, PAPER, name="member")
    found, inherited = grown(base, member)
    assert inherited.preserved, inherited.obstacles
    assert difference(base, found) < CLOSE
    assert sum(p.numel() for p in found.parameters()) > sum(p.numel() for p in base.parameters())


def test_training_begins_as_the_base_would_go_on() -> None:
    base = trained(network(**KINDS["mbconv gated"]))
    member = resize(base.spec, width=1.5, depth=1.5, rounding=FINE, name="member")
    found, _ = grown(base, member)
    for one in (base, found):
        one.train()
        one.dropout.p = 0.0  # copies are dropped one by one
    assert difference(base, found) < CLOSE


def test_copies_get_gradients_of_their_own() -> None:
    base = trained(network(**KINDS["mbconv"]))
    found, _ = grown(base, resize(base.spec, width=2, rounding=FINE, name="member"))
    found(torch.randn(4, 3, 17, 17)).square().sum().backward()
    for name, weight in found.named_parameters():
        if name.endswith("conv.weight"):
            rows = weight.detach().flatten(1)
            assert weight.grad is not None
            slopes = weight.grad.flatten(1)
            count = len(rows) // 2
            alike = (slopes[:count, None] - slopes[None, count:]).abs().amax(-1) < 1e-9
            assert not alike.any(), name


def test_the_same_seed_copies_the_same_channels_and_states_are_left_alone() -> None:
    base = trained(network(**KINDS["fused"]))
    before = {name: value.clone() for name, value in base.state_dict().items()}
    member = resize(base.spec, width=1.5, depth=2, rounding=FINE, name="member")
    fresh = build(member).state_dict()
    kept = {name: value.clone() for name, value in fresh.items()}

    def made(seed: int) -> dict[str, torch.Tensor]:
        return inherit(before, base.spec, member, fresh=fresh, seed=seed).state

    one, two, other = made(3), made(3), made(4)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["stem.conv.weight"], other["stem.conv.weight"])
    assert all(torch.equal(value, kept[name]) for name, value in fresh.items())
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    assert one.keys() == fresh.keys()
    assert all(value.shape == fresh[name].shape for name, value in one.items())


def test_a_base_into_itself_is_the_base() -> None:
    base = trained(network(**KINDS["bottleneck"]))
    found, inherited = grown(base, replace(base.spec, name="member", dropout=0.5))
    assert inherited.preserved
    own = found.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in base.state_dict().items()
               if "num_batches" not in name)  # fmt: skip


@pytest.mark.parametrize("skip", ["pooled", "none"])
def test_what_the_skip_allows(skip: Skip) -> None:
    base = trained(network((8, 12, 12, 10), **KINDS["mbconv"], skip=skip))
    wider = resize(base.spec, width=1.5, rounding=FINE, name="wider")
    deeper = resize(base.spec, depth=1.5, rounding=FINE, name="deeper")
    if skip == "pooled":  # the last stage leaves channels out that copies have moved
        assert obstacles(base.spec, deeper) == ()
        assert difference(base, grown(base, deeper)[0]) < CLOSE
        (obstacle,) = obstacles(base.spec, wider)
        assert obstacle.startswith("stage 4: its first block's pooled shortcut pairs channels")
        three = trained(replace(base.spec, stages=base.spec.stages[:3]))
        found, inherited = grown(three, replace(wider, stages=wider.stages[:3]))
        assert inherited.preserved
        assert difference(three, found) < CLOSE
    else:
        assert difference(base, grown(base, wider)[0]) < CLOSE
        found, inherited = grown(base, deeper)
        assert len(inherited.obstacles) == 4
        assert "cannot start as the identity" in inherited.obstacles[0]
        assert difference(base, found) > CLOSE


@pytest.mark.parametrize("act", ["silu", "relu6"])
def test_an_activation_that_changes_what_it_gets_twice(act: Activation) -> None:
    base = trained(network(**{**KINDS["basic"], "act": act}))
    found, inherited = grown(base, resize(base.spec, depth=2, name="deeper"))
    assert inherited.preserved == (act == "relu6")
    assert (difference(base, found) < CLOSE) == (act == "relu6")


def test_a_smaller_network_takes_the_important_channels() -> None:
    base = trained(network(**KINDS["mbconv gated"]))
    weight = base.stem.norm.weight
    with torch.no_grad():
        weight[:6] = -9.0
    member = resize(base.spec, width=0.5, depth=0.5, resolution=9, rounding=FINE, name="smaller")
    found, inherited = grown(base, member)
    assert not inherited.preserved
    assert "stem_ch is 6, the base's 12" in inherited.obstacles
    assert "stage 1: it has 1 blocks, the base's 2" in inherited.obstacles
    assert found.stem.norm.weight.tolist() == [-9.0] * 6
    assert torch.isfinite(found(torch.randn(2, 3, 9, 9))).all()


def test_other_classes_make_a_new_classifier() -> None:
    base = trained(network(**KINDS["conv"]))
    found, inherited = grown(base, replace(base.spec, name="member", num_classes=7))
    assert inherited.obstacles == ("the classifier is new: 7 classes, the base's 5",)
    one, other = base.state_dict(), found.state_dict()
    assert torch.equal(one["head.conv.weight"], other["head.conv.weight"])
    assert found.classifier.out_features == 7


def test_a_shortcut_that_rounding_changes_is_said() -> None:
    spec = network((12, 13), **KINDS["mbconv"])
    member = scale(replace(spec, stages=(replace(spec.stages[1], stride=1),)), 1,
                   Constants(1, 1.2, 1.1), name="member")  # fmt: skip
    assert member.stem_ch == member.stages[0].out_ch
    base = replace(spec, stages=(replace(spec.stages[1], stride=1),))
    (obstacle,) = obstacles(base, member)
    assert obstacle == "stage 1: its first block's shortcut is identity, the base's none"
    assert grown(trained(base), member)[1].obstacles == (obstacle,)


def _stage(**changes: Any) -> Callable[[ArchSpec], ArchSpec]:
    def change(spec: ArchSpec) -> ArchSpec:
        first, second, *rest = spec.stages
        return replace(spec, stages=(first, replace(second, **changes), *rest))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_stage(kernel=5), "stage 2: kernel is 3 in the one and 5 in the other"),
        (_stage(kind="fused"), "stage 2: kind is mbconv in the one and fused in the other"),
        (_stage(se_ratio=0.5), "stage 2: se_ratio is 0 in the one and 0.5"),
        (_stage(stride=1), "stage 2: stride is 2 in the one and 1"),
        (_stage(expand=1), "stage 2: expand is 6 in the one and 1 in the other"),
        (lambda s: replace(s, stages=s.stages[:2]), "the number of stages is 3 in the one and 2"),
        (lambda s: replace(s, hidden_ch=8), "a hidden linear layer is False in the one and True"),
        (lambda s: replace(s, stem_stride=1), "stem_stride is 2 in the one and 1"),
        (lambda s: replace(s, bn_eps=1e-5), "bn_eps is 0.001 in the one and 1e-05"),
    ],
)
def test_another_family_is_refused(change: Callable[[ArchSpec], ArchSpec], message: str) -> None:
    spec = network(**KINDS["mbconv"])
    with pytest.raises(InputError) as refused:
        obstacles(spec, replace(change(spec), name="other"))
    assert str(refused.value).startswith("other cannot inherit from base: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_inner_width_may_be_given_where_the_bases_follows_from_a_ratio() -> None:
    base = trained(network(**KINDS["bottleneck"]))
    first, second, third = base.spec.stages
    given = replace(base.spec, name="member", stages=(first, replace(second, expand_ch=8), third))
    assert difference(base, grown(base, given)[0]) < CLOSE
    spec = network(**KINDS["mbconv 1 gated"])
    first, second, third = spec.stages
    expanding = replace(spec, name="member", stages=(first, replace(second, expand_ch=20), third))
    with pytest.raises(
        InputError, match="stage 2: a block is depthwise → squeeze_excite → project"
    ):
        obstacles(spec, expanding)
