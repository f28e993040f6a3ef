"""Data sets: where the images come from, and the one file format that the later stages read.

`vebi.data.Flowers` is the rendered benchmark for anyone's own code.
"""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.data.dataset import (
        TEST,
        TRAIN,
        Dataset,
        ImageIndex,
        Images,
        open_dataset,
        write_dataset,
        write_index,
    )
    from vebi.data.flowers import Flowers
    from vebi.data.scenes import read_scenes
    from vebi.data.subset import spread_over_classes

__all__ = [
    "TEST",
    "TRAIN",
    "Dataset",
    "Flowers",
    "ImageIndex",
    "Images",
    "open_dataset",
    "read_scenes",
    "spread_over_classes",
    "write_dataset",
    "write_index",
]

__getattr__ = late_names(
    __name__,
    {
        "dataset": (
            "TEST",
            "TRAIN",
            "Dataset",
            "ImageIndex",
            "Images",
            "open_dataset",
            "write_dataset",
            "write_index",
        ),
        "flowers": ("Flowers",),
        "scenes": ("read_scenes",),
        "subset": ("spread_over_classes",),
    },
)
