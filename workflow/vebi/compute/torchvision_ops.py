"""Lets `import torchvision` succeed where its compiled operators do not fit the installed torch."""

import importlib

import torch

from vebi.io.optional import require

# torchvision describes these two to torch at import, and fails if they were never declared.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None


def declare_missing_ops() -> None:
    """Make torchvision importable; call it before `import torchvision`.

    Does nothing where torchvision's compiled operators load. Elsewhere it declares the operators
    without code: networks of `torchvision.models` work, box operators raise when called.

    Raises:
        VebiError: torchvision is not installed.
    """
    global _library
    try:
        require("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            _library.define(schema)
        importlib.import_module("torchvision")
