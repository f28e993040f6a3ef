"""Files of `torch.save` from anywhere: tensors and plain values only, none larger than its bytes."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

# Archives hold tensors as they are; what unpacks to so much more than its size was made to harm.
FREE_BYTES = 1 << 24
DEEPEST = 64


def load_tensors(path: str | Path) -> Any:
    """What `torch.save` wrote, loaded with `weights_only=True`, which runs no code.

    Raises ValueError for a file that would fill the memory, and whatever torch raises for others.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            names = {Path(name).name for name in archive.namelist()}
        if "constants.pkl" in names:
            raise ValueError(
                "it is TorchScript: save torch.jit.load(file).state_dict() with torch.save"
            )
        if unpacked > 2 * size + FREE_BYTES:
            raise ValueError(f"it unpacks to {unpacked:,} bytes")
    content = torch.load(path, map_location="cpu", weights_only=True)
    for tensor in _tensors(content):
        # A view can repeat the same bytes for ever, which a copy of it would not.
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError("it holds tensors that are sparse or quantised")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} has fewer values than that")
    return content


def describe_failure(error: Exception) -> str:
    """Why `load_tensors`, or what follows it, failed: its kind, and the reason where it is ours.

    torch's own messages tell how to switch the protection off.
    """
    reason = f": {error}" if isinstance(error, ValueError) else ""
    return f"{type(error).__name__}{reason}"


def _tensors(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner, depth + 1)
