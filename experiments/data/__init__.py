"""Image data sets from digits, class folders, Parquet and npz, decoded, split and fingerprinted."""

from experiments.data.image_data import ImageData, Part
from experiments.data.load import FORMS, is_data, load_data
from experiments.data.pool import Pool
from experiments.data.splits import Split

__all__ = ["FORMS", "ImageData", "Part", "Pool", "Split", "is_data", "load_data"]
