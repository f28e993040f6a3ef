from .determinism import derived_seed as derived_seed
from .determinism import pin_threads as pin_threads
from .determinism import use_deterministic_kernels as use_deterministic_kernels
from .devices import choose_device as choose_device
from .memory import keep_freed_memory as keep_freed_memory
