"""One run at a time in a results folder, and no job that outlives its run.

Both are about what a `kill -9` leaves behind: Snakemake's own lock would stay, and its jobs would go
on and write files that the next run writes, too.
"""

import fcntl
import os
import platform
import signal
import threading
import time
from pathlib import Path
from typing import TextIO

from vebi.errors import VebiError
from vebi.files import why_unwritable

LOCK = ".lock"
# Set by the workflow: the process that a job belongs to, as `identify` writes it.
OWNER = "VEBI_OWNER"

_held: list[TextIO] = []


def hold_run(run: Path) -> None:
    """Take a results folder for this process, until it ends in whatever way.

    The lock is the kernel's (flock), which forgets it with the process: there is never one to remove.

    Raises VebiError where another process has the folder, or where it can't be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        stream = (run / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        reason = why_unwritable(error) or error
        raise VebiError(f"The results folder {run} can't be written: {reason}.") from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        owner = stream.read().strip() or "another process"
        stream.close()
        raise VebiError(
            f"{run} is being made by {owner} right now. Wait until it has finished or stop it; a "
            "second run beside it needs another name (`--config run=NAME`)."
        ) from None
    except OSError as error:
        # Some network file systems have no locks; then the user is the only one who can know.
        print(f"{run} can't be locked ({error.strerror}): start no second run in it.", flush=True)
        return
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {platform.node()}\n")
    stream.flush()
    _held.append(stream)


def identify(process: int) -> str:
    """A process of this machine for `OWNER`: number, start time and namespace of its number.

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


def die_with_owner(interval: float = 0.5) -> None:
    """From now on kill this process when the one that `OWNER` names is gone.

    What the job would still write, nobody would take: the next run starts it again. Without an owner,
    or in a container with process numbers of its own, nothing is watched.
    """
    owner = os.environ.get(OWNER, "")
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
