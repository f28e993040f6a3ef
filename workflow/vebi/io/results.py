"""Which files of a results folder are results: what came out of a run, and not how it went."""

import os
from collections.abc import Iterator
from pathlib import Path

from vebi.io.errors import VebiError

# How a run went; and what archives of other systems add.
LEFT_OUT_FOLDERS = frozenset({"logs", "benchmarks", "__pycache__", "__MACOSX"})
LEFT_OUT_SUFFIXES = frozenset({".log", ".part", ".tmp", ".broken"})


def list_result_files(root: Path) -> Iterator[Path]:
    """The result files below a folder, sorted.

    Hidden files, logs, benchmark records and files that were set aside are left out. Links to folders
    are not followed.

    Raises:
        VebiError: a folder that can't be listed.
    """
    for folder, folders, names in os.walk(root, followlinks=False, onerror=_raise):
        folders[:] = sorted(n for n in folders if n not in LEFT_OUT_FOLDERS and n[0] != ".")
        for name in sorted(names):
            file = Path(folder, name)
            if name[0] != "." and file.suffix not in LEFT_OUT_SUFFIXES and file.is_file():
                yield file


def _raise(error: OSError) -> None:
    raise VebiError(f"{error.filename}: can't list the folder ({error.strerror}).") from error
