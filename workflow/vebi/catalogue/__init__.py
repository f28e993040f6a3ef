"""What there is to choose from: a record each for methods, architectures and descriptors.

Plain data, imported by every layer. Functions are named as text, `vebi.module:name`, so that nothing
here imports torch; `record.resolve` leads from the text to the function.
"""

from vebi.catalogue.architectures import ARCHITECTURES, Architecture
from vebi.catalogue.descriptors import DESCRIPTORS, Descriptor, get_descriptor
from vebi.catalogue.methods import METHODS, Method, get_method

__all__ = [
    "ARCHITECTURES",
    "DESCRIPTORS",
    "METHODS",
    "Architecture",
    "Descriptor",
    "Method",
    "get_descriptor",
    "get_method",
]
