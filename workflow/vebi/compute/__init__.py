"""Where and how to compute: devices, threads, memory, deterministic kernels."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.compute.determinism import derived_seed, pin_threads, use_deterministic_kernels
    from vebi.compute.devices import choose_device
    from vebi.compute.memory import keep_freed_memory

__all__ = [
    "choose_device",
    "derived_seed",
    "keep_freed_memory",
    "pin_threads",
    "use_deterministic_kernels",
]

__getattr__ = late_names(
    __name__,
    {
        "determinism": ("derived_seed", "pin_threads", "use_deterministic_kernels"),
        "devices": ("choose_device",),
        "memory": ("keep_freed_memory",),
    },
)
