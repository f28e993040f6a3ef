"""Processes that end with the one that they work for, in whatever way it ends."""

import os
import signal
import threading
import time
from pathlib import Path


def identify(process: int) -> str:
    """A process of this machine for `die_with`: number, start time and namespace of its number.

    Empty for one that has ended, and where the system does not tell.
    """
    try:
        # The name, the second field, may hold spaces; then come the state and, as 22nd, the start time.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    # A zombie has ended, only nobody has asked how.
    return "" if fields[0] in "ZX" else f"{process} {fields[19]} {namespace}"


def die_with(owner: str, interval: float = 0.5) -> None:
    """From now on kill this process when `owner` is gone, a process as `identify` writes it.

    What a job would still write after its run was killed, nobody would take: the next run starts it
    again. Without an owner, or in a container with process numbers of its own, nothing is watched.
    """
    number, _, rest = owner.partition(" ")
    try:
        is_here = rest.partition(" ")[2] == str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        is_here = False
    if not owner or not is_here:
        return

    def watch() -> None:
        while identify(int(number)) == owner:
            time.sleep(interval)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
