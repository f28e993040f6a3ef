"""The same numbers on every run: threads, kernels, seeds."""

import os
import sys

import numpy as np
from threadpoolctl import threadpool_limits

from vebi.io.errors import VebiError

# More threads than this per core of the machine are a mistake, which could take all other programs down.
THREADS_PER_CORE = 16


def pin_threads(n: int) -> None:
    """Compute with `n` threads from here on, in torch and in BLAS.

    A floating-point sum depends on how it is split over threads, so this number belongs to the
    configuration and not to the machine. Torch is only touched where it has been imported:
    jobs that draw or tabulate do without, since it is slow to import.

    Raises:
        VebiError: more than THREADS_PER_CORE times the machine's cores; before any is started.
    """
    cores = os.cpu_count() or 1
    if not 1 <= n <= THREADS_PER_CORE * cores:
        raise VebiError(
            f"compute_threads is {n}, and this machine has {cores} cores: expected is a number from 1 to "
            f"{THREADS_PER_CORE * cores}."
        )
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


def derived_seed(*parts: int) -> int:
    """One 63-bit seed from several numbers, independent for different numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
