"""Descriptors of images: what each channel of each layer responds (VEBI 3.1)."""

from vebi.descriptors.describe import describe, describe_batch
from vebi.descriptors.descriptor_file import DescriptorFile, layers_of, open_descriptors
from vebi.descriptors.layers import measured_layers

__all__ = [
    "DescriptorFile",
    "describe",
    "describe_batch",
    "layers_of",
    "measured_layers",
    "open_descriptors",
]
