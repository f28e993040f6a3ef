"""The networks that have a name. CONTRIBUTING.md says how to add one."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from vebi.catalogue.record import by_name
from vebi.record import record

# Before the name of a network of torchvision's, and before a user's own function.
TORCHVISION, FACTORY = "torchvision:", "factory:"


@record
class Architecture:
    """A network of the papers.

    Args:
        name: in the configuration and in model files.
        function: maps an image's shape (C, H, W), the number of classes and the `kwargs` to named
            layers, as text.
        shape: height, width and channels that it is made for; None: any size from `smallest` on.
        smallest: height and width that it takes at least.
        kwargs: what a configuration may choose, each with the smallest and the largest number (of its
            type).
        first_weights: He et al. (2015), or as Keras draws them (Glorot and Bengio 2010).
    """

    name: str
    function: str
    shape: tuple[int, int, int] | None = None
    smallest: int = 1
    kwargs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    first_weights: Literal["he", "glorot"] = "he"


ARCHITECTURES: dict[str, Architecture] = by_name(
    (
        Architecture(name="matconvnet", function="vebi.models.nets:matconvnet", shape=(28, 28, 1)),
        Architecture(
            name="an8flower_strided",
            function="vebi.models.nets:an8flower_strided",
            shape=(112, 112, 3),
        ),
        Architecture(
            name="an8flower_inferred",
            function="vebi.models.nets:an8flower_inferred",
            shape=(112, 112, 3),
        ),
        Architecture(
            name="an8flower_vit",
            function="vebi.models.transformer:an8flower_vit",
            shape=(112, 112, 3),
            kwargs={"patch": (2, 56), "depth": (1, 24)},
            first_weights="glorot",
        ),
        Architecture(name="vgg_f", function="vebi.models.nets:vgg_f", shape=(224, 224, 3)),
        Architecture(
            name="keras",
            function="vebi.models.nets:keras",
            shape=(28, 28, 1),
            kwargs={"width": (1, 1024), "dropout": (0.0, 0.95)},
            first_weights="glorot",
        ),
        # They end in global average pooling.
        Architecture(name="vgg_gap", function="vebi.models.nets:vgg_gap", smallest=16),
        Architecture(name="patch_cnn", function="vebi.models.nets:patch_cnn", smallest=16),
    )
)
