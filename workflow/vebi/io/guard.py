"""Files from strangers are read in a process of their own first, where the library may crash or hang.

A few wrong bytes end the HDF5 library or scipy's reader of .mat files in a loop or a segmentation fault,
out of which no exception comes. Here that costs a child process, and the file is refused.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vebi.io.errors import VebiError

# Of processor time for one file. What is read (all but the arrays' plain numbers) takes a fraction of it.
SECONDS = 5
_HDF5 = b"\x89HDF\r\n\x1a\n"


def check_survives(paths: Sequence[str | Path]) -> None:
    """Read HDF5 and .mat files in a child process; other files, and what can't be opened, pass.

    Raises:
        VebiError: a file that crashes the library that reads it, or keeps it busy without end.
    """
    files = [Path(path).resolve() for path in paths if _is_risky(Path(path))]
    if not files:
        return
    done = subprocess.run(
        [sys.executable, "-m", "vebi.io.guard", str(SECONDS), *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        check=False,
    )
    if done.returncode >= 0:
        return
    is_hang = -done.returncode in (signal.SIGXCPU, signal.SIGKILL)
    what = f"never ends (given up after {SECONDS} s)" if is_hang else "crashes the library"
    # Of each file that it is done with the child says a byte.
    raise VebiError(
        f"{files[len(done.stdout)]} is damaged: reading it {what}. Delete it and make it again."
    )


def child_environment() -> dict[str, str]:
    """The environment of a child process that imports this package."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _is_risky(path: Path) -> bool:
    """Whether it is HDF5, or a .mat file of versions 5 to 7."""
    head = _head(path)
    return head.startswith(_HDF5) or head[126:128] in (b"IM", b"MI")


def _head(path: Path) -> bytes:
    """The first bytes of a regular file, none of anything else."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as stream:
                return stream.read(128)
    return b""


def _read(path: Path) -> None:
    """Read all that needs to be followed; an exception is for the reader that comes after."""
    with suppress(Exception):
        if _head(path).startswith(_HDF5):
            import h5py

            with h5py.File(path, "r") as file:
                file.visititems(_look)
                _look("/", file)
        else:
            from scipy.io import loadmat

            loadmat(path, struct_as_record=False)


def _look(_: str, node: object) -> None:
    """Read attributes, texts, and where the pieces of an array are."""
    import h5py

    assert isinstance(node, (h5py.Group, h5py.Dataset))
    for name in list(node.attrs):
        with suppress(Exception):
            node.attrs[name]
    if not isinstance(node, h5py.Dataset):
        return
    with suppress(Exception):
        if node.chunks:
            node.id.get_num_chunks()
        if h5py.check_vlen_dtype(node.dtype) or h5py.check_string_dtype(node.dtype):
            for row in range(len(node)):
                node[row]


if __name__ == "__main__":
    for name in sys.argv[2:]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(usage.ru_utime + usage.ru_stime) + 1 + int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _read(Path(name))
        os.write(1, b".")
