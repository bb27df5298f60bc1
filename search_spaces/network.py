"""The network as a torch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from search_spaces.blocks import ACTIVATIONS, Block, ConvNormAct, MaxPool
from search_spaces.layers import LinearLayer, PoolLayer, classifier_layers, head_layers, stem_layers
from search_spaces.spec import ArchSpec

__all__ = ["Network", "build"]


class Network(nn.Module):
    """Classifies images (N, in_ch, H, W) into logits (N, num_classes), as its spec says."""

    def __init__(self, spec: ArchSpec) -> None:
        super().__init__()
        self.spec = spec
        norm = {"eps": spec.bn_eps, "momentum": spec.bn_momentum}
        stem, *pools = stem_layers(spec)
        assert not isinstance(stem, PoolLayer)
        self.stem = ConvNormAct(stem, **norm)
        self.stem_pool = nn.Sequential(*(MaxPool(p) for p in pools if isinstance(p, PoolLayer)))
        self.stages = nn.ModuleList(_stages(spec))
        head = [ConvNormAct(layer, **norm) for layer in head_layers(spec)]
        self.head = head[0] if head else nn.Identity()
        *hidden, classifier = classifier_layers(spec)
        self.hidden = nn.Sequential(*(_hidden(layer) for layer in hidden))
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Linear(classifier.in_ch, classifier.out_ch)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits (N, num_classes)."""
        x = self.stem_pool(self.stem(x))
        for stage in self.stages:
            x = stage(x)
        features = self.hidden(self.head(x).mean((2, 3)))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def _stages(spec: ArchSpec) -> Iterator[nn.Sequential]:
    """Yields the stages; the rate of stochastic depth rises linearly from block to block."""
    index = 0
    for blocks in spec.stage_blocks():
        stage = nn.Sequential()
        for block in blocks:
            rate = spec.drop_path * index / spec.depth
            stage.append(Block(block, eps=spec.bn_eps, momentum=spec.bn_momentum, drop_rate=rate))
            index += 1
        yield stage


def _hidden(layer: LinearLayer) -> nn.Sequential:
    assert layer.act is not None
    return nn.Sequential(
        nn.Linear(layer.in_ch, layer.out_ch, bias=layer.bias), ACTIVATIONS[layer.act]()
    )


def _initialise(module: nn.Module) -> None:
    """Draws weights as EfficientNet does: He normal by fan-out; a small normal classifier."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0.0, (2.0 / (fan_out / module.groups)) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(spec: ArchSpec, num_classes: int | None = None) -> Network:
    """Builds the network of a spec, with random weights; `num_classes` replaces the spec's."""
    if num_classes is not None:
        spec = replace(spec, num_classes=num_classes)
    return Network(spec)
