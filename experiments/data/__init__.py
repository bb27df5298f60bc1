"""Image data sets in every form, decoded or streamed, cached, split and fingerprinted."""

from experiments.data.image_data import ImageArray, ImageData, Part
from experiments.data.load import FORMS, findable, is_data, load_data
from experiments.data.pool import Pool
from experiments.data.splits import Split

__all__ = [
    "FORMS",
    "ImageArray",
    "ImageData",
    "Part",
    "Pool",
    "Split",
    "findable",
    "is_data",
    "load_data",
]
