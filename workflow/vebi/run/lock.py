"""One run at a time in a results folder.

After a `kill -9` Snakemake's own lock would stay; this one goes with its process.
"""

import fcntl
import os
import platform
import tempfile
from pathlib import Path
from typing import TextIO

from vebi.io.errors import VebiError
from vebi.io.files import why_unwritable

LOCK = ".lock"

_held: list[TextIO] = []


def hold_run(run: Path) -> None:
    """Take a results folder for this process, until it ends in whatever way.

    The lock is the kernel's (flock), which forgets it with the process: there is never one to remove.

    Raises:
        VebiError: another process has the folder, it or the folder for temporary files can't be written,
            or the lock's file is a link or anything else that is not a regular file.
    """
    _check_temporary_folder()
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = run / LOCK
        # It is emptied and written: through a link that would be somebody's file.
        if lock.is_symlink() or (lock.exists() and not lock.is_file()):
            raise VebiError(f"{lock} is a link or another kind of thing than a file. Delete it.")
        stream = lock.open("a+", encoding="utf-8")
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
            "second run at the same time needs another name (`--config run=NAME`)."
        ) from None
    except OSError as error:
        # Some network file systems have no locks; then the user is the only one who can know.
        print(f"{run} can't be locked ({error.strerror}): start no second run in it.", flush=True)
        return
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {platform.node()}\n")
    stream.flush()
    _held.append(stream)


def _check_temporary_folder() -> None:
    """Raise VebiError if it is full or can't be written: Snakemake's scheduler needs it."""
    folder = os.environ.get("TMPDIR") or tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(4096))
    except OSError as error:
        reason = why_unwritable(error) or error
        raise VebiError(
            f"The folder for temporary files {folder} can't be written: {reason}. Or set TMPDIR to "
            "another."
        ) from error
