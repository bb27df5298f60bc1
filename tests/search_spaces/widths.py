"""The widths of a block's layers, as they are seen from outside."""

from search_spaces.grouping import BlockWidths
from search_spaces.layers import ConvLayer, SqueezeExciteLayer, block_layers
from search_spaces.spec import BlockSpec

__all__ = ["widths_of"]


def widths_of(block: BlockSpec) -> BlockWidths:
    path = block_layers(block).path
    convs = [layer for layer in path if isinstance(layer, ConvLayer)]
    gates = [layer for layer in path if isinstance(layer, SqueezeExciteLayer)]
    return BlockWidths(
        kind=block.kind,
        kernel=block.kernel,
        stride=block.stride,
        in_ch=block.in_ch,
        out_ch=block.out_ch,
        act=block.act,
        skip=block.has_residual,
        expand_ch=sum(conv.out_ch for conv in convs if conv.name == "expand"),
        squeeze_ch=sum(gate.squeeze_ch for gate in gates),
    )
