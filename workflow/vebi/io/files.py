"""Files that are either whole or absent, and what is not a regular file left as it is."""

import errno
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from vebi.io.errors import VebiError

# What a user can do about a file system that does not take a file.
REMEDIES = {
    errno.ENOSPC: "the disk is full; make room and run again",
    errno.EDQUOT: "your quota of the disk is used up; make room and run again",
    errno.EROFS: "the file system is read-only; write elsewhere, or mount it for writing",
    errno.EACCES: "you have no right to write there; change that, or write elsewhere",
    errno.EPERM: "you have no right to write there; change that, or write elsewhere",
    errno.EIO: "the disk reports an error; look at it before you run again",
}
# What only a file that is written can raise, whatever else is read meanwhile.
FULL = {number: REMEDIES[number] for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}


@contextmanager
def atomic_path(path: str | Path, survives_power_cut: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move it to `path` if the block succeeds.

    The content is flushed to disk before the rename, so that a killed process or a power cut leaves
    either the old file, the whole new one, or none. On an exception the temporary file is removed;
    what a killed process left is removed by the next one that writes the same file.

    Only a regular file is ever replaced. A link stays and leads to the new file. Into a FIFO or a
    character device (/dev/stdout, /dev/null) the finished content is written.

    Without `survives_power_cut` it is faster, and only a killed process is met: for files that say
    themselves whether they are whole.

    Raises VebiError where the disk is full or can't be written, and where `path` is a folder, a socket,
    a disk or a FIFO that nobody reads.
    """
    target = Path(path)
    if _is_stream(target):
        with _streamed(target) as temporary:
            yield temporary
    else:
        file = Path(os.path.realpath(target)) if target.is_symlink() else target
        with _replaced(file, survives_power_cut) as temporary:
            yield temporary


def _is_stream(target: Path) -> bool:
    """Whether `target` is written into; else it becomes, or already is, a regular file.

    Raises VebiError for what a file can neither replace nor be written into.
    """
    try:
        status = target.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise VebiError(f"{target} is a link in a circle. Delete it.") from error
        # Not there yet, or a folder on the way can't be entered: writing says what is wrong.
        return False
    mode = status.st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return True
    if not stat.S_ISREG(mode):
        kind = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}.get(
            stat.S_IFMT(mode), "a disk"
        )
        raise VebiError(f"{target} is {kind}, where a file should be written. Give another name.")
    return False


@contextmanager
def _streamed(target: Path) -> Iterator[Path]:
    """Yield a temporary path elsewhere; write its content into the FIFO or device `target`."""
    with tempfile.TemporaryDirectory(prefix="vebi-stream-") as folder:
        temporary = Path(folder, f"content{target.suffix}")
        temporary.touch()
        yield temporary
        try:
            # Without O_NONBLOCK, opening a FIFO waits until somebody reads.
            handle = os.open(target, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            known = {**REMEDIES, errno.ENXIO: "nobody reads from it; start its reader first"}
            reason = why_unwritable(error, known) or error.strerror
            raise VebiError(f"{target} can't be written: {reason}.") from error
        os.set_blocking(handle, True)
        with temporary.open("rb") as source, os.fdopen(handle, "wb") as sink:
            shutil.copyfileobj(source, sink)


@contextmanager
def _replaced(target: Path, survives_power_cut: bool) -> Iterator[Path]:
    """Yield a temporary path next to `target`, which is not a link; move it there at the end."""
    temporary: Path | None = None
    is_ours = True
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        handle, name = tempfile.mkstemp(
            dir=target.parent,
            prefix=f".{target.name}.{platform.node()}-{os.getpid()}.",
            suffix=f".part{target.suffix}",
        )
        os.close(handle)
        temporary = Path(name)
        is_ours = False
        yield temporary
        is_ours = True
        if survives_power_cut:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        # mkstemp makes files that only the owner can read; results follow the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
        # Again: another may have died meanwhile.
        _remove_leftovers(target)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = why_unwritable(error, REMEDIES if is_ours else FULL)
        if reason is not None and not isinstance(error, VebiError):
            raise VebiError(f"{target} can't be written: {reason}.") from error
        raise


def why_unwritable(error: BaseException, known: Mapping[int, str] = REMEDIES) -> str | None:
    """What keeps a file from being written and what to do, if `error` comes from that."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in known:
            return known[cause.errno]
        cause = cause.__cause__ or cause.__context__
    return None


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of `target` whose process on this machine is gone."""
    before = f".{target.name}.{platform.node()}-"
    for path in target.parent.iterdir():
        if path.name.startswith(before) and f".part{target.suffix}" in path.name:
            number = path.name[len(before) :].partition(".")[0]
            if number.isdigit() and not _is_alive(int(number)):
                with suppress(OSError):
                    path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    # A zombie has ended, only nobody has asked how.
    return state not in "ZX"


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def read_bounded(path: str | Path, limit: int) -> bytes:
    """The content of a small regular file.

    Args:
        limit: bytes that it may have at most.

    Raises:
        VebiError: a device, FIFO, socket or folder, which could be read without end; or a file that
            is larger.
        OSError: it can't be opened or read.
    """
    with _open_regular(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise VebiError(f"{path}: larger than {limit:,} bytes, the limit for this kind of file.")
    return content


def parse_json(content: bytes) -> Any:
    """What JSON says, in UTF-8.

    Raises:
        ValueError: no JSON, or half a character, which JSON can spell and no file can be written with.
        RecursionError: lists in lists, thousands deep.
    """
    value = json.loads(content)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a regular file, read in blocks; VebiError for a device, FIFO or socket."""
    digest = hashlib.sha256()
    with _open_regular(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _open_regular(path: str | Path) -> BinaryIO:
    # Without O_NONBLOCK, opening a FIFO waits for somebody to write into it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise VebiError(f"{path}: not a regular file. Give the path of one.")
    return os.fdopen(handle, "rb")
