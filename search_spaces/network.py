"""The network as a torch module."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from search_spaces.blocks import Block, ConvNormAct
from search_spaces.layers import classifier_layer, head_layer, stem_layer
from search_spaces.spec import ArchSpec

__all__ = ["Network", "build"]


class Network(nn.Module):
    """Classifies images (N, in_ch, H, W) into logits (N, num_classes), as its spec says."""

    def __init__(self, spec: ArchSpec) -> None:
        super().__init__()
        self.spec = spec
        norm = {"eps": spec.bn_eps, "momentum": spec.bn_momentum}
        self.stem = ConvNormAct(stem_layer(spec), **norm)
        self.stages = nn.ModuleList()
        index = 0
        for blocks in spec.stage_blocks():
            stage = nn.Sequential()
            for block in blocks:
                rate = spec.drop_path * index / spec.depth
                stage.append(Block(block, **norm, drop_rate=rate))
                index += 1
            self.stages.append(stage)
        self.head = ConvNormAct(head_layer(spec), **norm)
        self.dropout = nn.Dropout(spec.dropout)
        classifier = classifier_layer(spec)
        self.classifier = nn.Linear(classifier.in_ch, classifier.out_ch)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits (N, num_classes)."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.classifier(self.dropout(self.head(x).mean((2, 3))))
        return logits


def _initialise(module: nn.Module) -> None:
    """Draws weights as EfficientNet does: He normal by fan-out; a small normal classifier."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0.0, (2.0 / (fan_out / module.groups)) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)


def build(spec: ArchSpec, num_classes: int | None = None) -> Network:
    """Builds the network of a spec, with random weights; `num_classes` replaces the spec's."""
    if num_classes is not None:
        spec = replace(spec, num_classes=num_classes)
    return Network(spec)
