"""Where files that the configuration names for a network are found. Imports no torch."""

import os
from pathlib import Path

from vebi.data.roots import is_file
from vebi.io.errors import VebiError

_HOME_OF_VGG_F = "https://www.vlfeat.org/matconvnet/models/imagenet-vgg-f.mat"


def weights_places(name: str) -> list[Path]:
    """Where a file of weights may be: as named, or in the folder $VEBI_DATA."""
    data = os.environ.get("VEBI_DATA")
    return [Path(name), *([Path(data) / name] if data else [])]


def find_weights(name: str) -> Path:
    """The file of weights called `name`. Raises VebiError that says where it was looked for."""
    places = weights_places(name)
    for path in places:
        if is_file(path):
            return path
    hint = ""
    if Path(name).name == "imagenet-vgg-f.mat":
        hint = f" It is at {_HOME_OF_VGG_F} (232 MB)."
    raise VebiError(
        f"There is no file of weights '{name}': looked for {' and '.join(map(str, places))}. "
        f"Put it there, or into the folder that VEBI_DATA names.{hint}"
    )
