"""Where to compute: the device, which of several GPUs, and what to say when its memory is full.

Importing this imports no torch.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vebi.io.errors import VebiError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
# Open files whose locks say which GPU this process has; the system ends them with the process.
_HELD: list[int] = []


def count_gpus_to_ask_for(device: str, ask: bool | None = None) -> int:
    """GPUs that a job asks the scheduler for: 0 where it would compute on the CPU.

    `ask` (the configuration's `ask_for_gpu`) decides. Without it `device` does; with `auto` this
    machine's device files, so that jobs run side by side where there is no GPU. A cluster's login
    node often has none although its nodes do.
    """
    if ask is not None:
        return int(ask)
    is_here = any(Path("/dev").glob("nvidia[0-9]*"))
    return int(device == "cuda" or (device == "auto" and is_here))


def choose_device(device: str) -> torch.device:
    """The device of a job. Of several GPUs a free one, the same at each call: see `choose_gpu`.

    Args:
        device: `auto` takes a GPU if there is one, else the CPU; `cpu` and `cuda` are taken by their
            word.

    Raises:
        VebiError: `cuda` where there is no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise VebiError("device is 'cuda', but torch sees no GPU. Use 'auto' or 'cpu'.")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    chosen = torch.device("cuda", choose_gpu())
    torch.cuda.set_device(chosen)
    return chosen


def device_of_networks(device: str, ask_for_gpu: bool | None = None) -> str:
    """Where the networks of a run are computed: `cpu`, `cuda`, or `cuda or cpu`.

    The last is all that can be said where jobs ask a scheduler for a GPU and take what they find.
    """
    import torch

    if device != "auto":
        return device
    if ask_for_gpu:
        return "cuda or cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def by_memory_in_use(visible: Sequence[str], used: Mapping[str, int]) -> list[str]:
    """The names of GPUs, the one with the least memory in use first; unknown ones last."""
    return sorted(visible, key=lambda name: (name not in used, used.get(name, 0)))


def take_first_free(names: Sequence[str], folder: Path) -> str | None:
    """Take the first of `names` that no process has taken in `folder`, until this process ends.

    None if all are taken. A lock of a killed process is gone with it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        _HELD.append(file)
        return name
    return None


def parse_memory_in_use(answer: str) -> dict[str, int]:
    """MiB in use by each GPU's UUID, from `nvidia-smi --query-gpu=uuid,memory.used --format=csv,...`.

    Lines that are not of that form (a driver's warning, `[N/A]`) are ignored.
    """
    found = {}
    for line in answer.splitlines():
        uuid, _, amount = line.partition(",")
        if amount.strip().isdigit():
            found[uuid.strip().removeprefix("GPU-")] = int(amount)
    return found


@functools.cache
def choose_gpu() -> int:
    """The number, as torch counts them, of the GPU that this process computes on; always the same.

    Torch counts those that CUDA_VISIBLE_DEVICES leaves. Where all are taken the one with the least
    memory in use is shared.
    """
    import torch

    names = [
        str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())
    ]
    if len(names) == 1:
        return 0
    order = by_memory_in_use(names, _memory_in_use())
    folder = Path(tempfile.gettempdir()) / f"vebi-gpus-{os.getuid()}"
    name = take_first_free(order, folder)
    if name is None:
        log.warning("Other jobs have all %d GPUs: sharing one.", len(names))
        name = order[0]
    return names.index(name)


def _memory_in_use() -> dict[str, int]:
    # Asked of the driver's tool: torch would have to start a context of 500 MB on every GPU.
    command = ["nvidia-smi", "--query-gpu=uuid,memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("nvidia-smi does not tell which GPU is free: %s", error)
        return {}
    return parse_memory_in_use(done.stdout)


@contextmanager
def full_memory_explained() -> Iterator[None]:
    """Make torch's error of a full GPU, where no smaller batch was tried, one that says what to do."""
    try:
        yield
    except RuntimeError as error:
        # By its name: jobs without networks do not import torch.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        raise VebiError(
            "The GPU's memory does not suffice. Lower the batch_size of this stage, free the GPU of "
            f"other programs, or set device: cpu. ({str(error).splitlines()[0]})"
        ) from error
