"""Every Python that has this folder on its path writes down the files that it opens.

For `make test` alone: the folder that VEBI_TRACE names gets a text for each process, with a line `r` or
`w`, a tab and a path for each file. HDF5 opens its files without Python, so that h5py's own class is
watched alongside the interpreter's audit events.
"""

import importlib.util
import os
import sys
import time

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _WatchH5py:
    """Finds h5py's module of files as everybody does, and then watches the class in it."""

    def find_spec(self, name, path, target=None):
        if name != "h5py._hl.files":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            make = module.File.__init__

            def watched(file, name, mode="r", *arguments, **options):
                if isinstance(name, str | os.PathLike):
                    note(mode == "r", os.fspath(name))
                make(file, name, mode, *arguments, **options)

            module.File.__init__ = watched

        spec.loader.exec_module = exec_module
        return spec


def note(reads, path):
    # Without following links: jobs' files are named as their rules name them.
    line = f"{'r' if reads else 'w'}\t{os.path.join(HERE, path)}\n"  # noqa: PTH118
    os.write(LOG, line.encode("utf-8", "surrogateescape"))


def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, str | bytes):
            is_written = bool(flags & WRITES) or any(c in (mode or "") for c in "wax+")
            note(not is_written, os.fsdecode(path))


if folder := os.environ.get("VEBI_TRACE"):
    HERE = os.getcwd()  # noqa: PTH109
    # A long run comes round to the same process numbers, so that the time stands in the name, too.
    NAME = f"{folder}/{os.getpid()}-{time.time_ns()}.txt"
    LOG = os.open(NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    sys.meta_path.insert(0, _WatchH5py())
    sys.addaudithook(watch)
