"""The same numbers on every run: threads, kernels, devices, seeds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from vebi.errors import VebiError
from vebi.gpus import choose_gpu

if TYPE_CHECKING:
    import torch


def pin_threads(n: int) -> None:
    """Compute with `n` threads from here on, in torch and in BLAS.

    A floating-point sum depends on how it is split over threads, so this number belongs to the
    configuration and not to the machine. Torch is only touched where it has been imported: that
    takes seconds, and jobs that draw or tabulate do without.
    """
    threadpool_limits(n)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)


def use_deterministic_kernels() -> None:
    """Ask torch, where it has been imported, for kernels that give the same bits twice."""
    if "torch" not in sys.modules:
        return
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def choose_device(device: str) -> torch.device:
    """`auto` takes a GPU if there is one, else the CPU; `cpu` and `cuda` are taken by their word.

    Of several GPUs a free one, the same at each call: see `choose_gpu`.
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


def derived_seed(*parts: int) -> int:
    """One 63-bit seed from several numbers, independent for different numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
