"""Where to compute, as far as it can be told without importing torch."""

from pathlib import Path


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
