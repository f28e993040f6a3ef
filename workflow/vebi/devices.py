"""Where to compute, as far as it can be told without importing torch."""

from pathlib import Path


def count_gpus_to_ask_for(device: str) -> int:
    """GPUs that a job asks the scheduler for: 0 where it would compute on the CPU.

    With `auto` this machine's device files decide, so that jobs run side by side where there is no GPU.
    A cluster's login node often has none: say `cuda` there.
    """
    is_here = any(Path("/dev").glob("nvidia[0-9]*"))
    return int(device == "cuda" or (device == "auto" and is_here))
