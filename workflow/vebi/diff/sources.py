"""A and B: a results folder, an archive of one, or a single file."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from vebi.io.errors import VebiError
from vebi.io.inside import leads_inside
from vebi.io.results import list_result_files

ARCHIVE_LIMIT = 8 << 30
MEMBER_LIMIT = 200_000
BLOCK = 1 << 20
# tarfile reads a member's extended header in one piece, however long the archive says it is.
LARGEST_READ = 16 << 20


@contextmanager
def opened(path: Path, limit: int = ARCHIVE_LIMIT) -> Iterator[Path]:
    """Yield the folder or file behind `path`; an archive is unpacked to a temporary folder.

    Raises:
        VebiError: nothing there, no folder or known file, or an archive that is broken, leaves its
            folder or unpacks to more than `limit` bytes.
    """
    if path.is_dir():
        yield path
        return
    if not path.exists():
        raise VebiError(
            f"{path}: no such folder or file. Give a results folder (results/default), an archive "
            "of one (.tar.gz, .zip) or a single result file."
        )
    if not path.is_file():
        raise VebiError(f"{path}: neither a folder nor a regular file.")
    kind = _archive_kind(path)
    if kind is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="vebi-diff-") as folder:
        root = Path(folder)
        _unpack(path, kind, root, min(limit, shutil.disk_usage(root).free // 2))
        yield _results_root(root)


def list_files(root: Path) -> dict[str, Path]:
    """Result files below `root` by their path with forward slashes, sorted.

    A folder that is called `tables` is taken for the tables of a run.
    """
    if root.is_file():
        return {root.name: root}
    prefix = "tables/" if root.name == "tables" and not (root / "tables").is_dir() else ""
    files = {prefix + file.relative_to(root).as_posix(): file for file in list_result_files(root)}
    return dict(sorted(files.items()))


def _results_root(root: Path) -> Path:
    """Step into the folders that an archive puts around a run (`results/default/…`)."""
    while not (root / "tables").is_dir() and not (root / "manifest.json").is_file():
        entries = [e for e in root.iterdir() if e.name[0] != "." and e.name != "__MACOSX"]
        if len(entries) != 1 or not entries[0].is_dir():
            break
        root = entries[0]
    return root


def _archive_kind(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise VebiError(f"{path}: can't read it ({error.strerror}).") from error
    name = path.name.lower()
    # A model.pt is a zip file, too: the name decides there.
    if name.endswith(".zip"):
        return "zip"
    tar_name = ".tar" in name[-8:] or name.endswith((".tgz", ".tbz2", ".txz"))
    if tar_name and head[:2] == b"\x1f\x8b":
        return "gz"
    if tar_name and head[:3] == b"BZh":
        return "bz2"
    if tar_name and head[:6] == b"\xfd7zXZ\x00":
        return "xz"
    return "tar" if tar_name else None


def _unpack(path: Path, kind: str, root: Path, limit: int) -> None:
    try:
        if kind == "zip":
            _unpack_zip(path, root, limit)
        else:
            _unpack_tar(path, kind, root, limit)
    except VebiError:
        raise
    # Broken archives fail in many ways (zlib.error, struct.error, RecursionError, …).
    except Exception as error:
        raise VebiError(
            f"{path}: broken archive ({type(error).__name__}: {error}). Make or download it again."
        ) from error


def _unpack_tar(path: Path, kind: str, root: Path, limit: int) -> None:
    openers: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "tar": open}
    budget = _Budget(path, limit)
    with (
        openers[kind](path, "rb") as raw,
        tarfile.open(fileobj=_Bounded(raw, budget), mode="r:") as archive,
    ):
        for count, member in enumerate(archive, start=1):
            budget.members(count)
            target = _target(path, root, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                source = archive.extractfile(member)
                if source is None:
                    raise VebiError(f"{path}: '{member.name}' has no content. Make it again.")
                _copy(source, target, budget)
            else:
                raise VebiError(
                    f"{path}: '{member.name}' is a link or a device; only files and folders are "
                    "unpacked. Make the archive with `tar --dereference`."
                )
        # tarfile stops at the archive's end mark; the checksum of gzip and xz comes after it.
        while raw.read(BLOCK):
            budget.check(raw.tell() // 2)


def _unpack_zip(path: Path, root: Path, limit: int) -> None:
    budget = _Budget(path, limit)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        budget.members(len(members))
        budget.check(sum(member.file_size for member in members))
        for member in members:
            target = _target(path, root, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise VebiError(f"{path}: '{member.filename}' is a link; only files are unpacked.")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            with archive.open(member) as source:
                _copy(source, target, budget)


def _target(path: Path, root: Path, name: str) -> Path:
    """Where a member goes; it must stay below `root`."""
    pure = PurePosixPath(name.replace("\\", "/"))
    # `tar -C results/default .` begins with the folder itself.
    is_allowed = not pure.parts or leads_inside(str(pure))
    if not is_allowed or ":" in name.split("/")[0]:
        raise VebiError(
            f"{path}: '{name}' points out of the archive's folder. Don't trust this archive."
        )
    return root / pure


def _copy(source: IO[bytes], target: Path, budget: "_Budget") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        while block := source.read(BLOCK):
            budget.written += len(block)
            budget.check(budget.written)
            sink.write(block)


class _Budget:
    """Bounds what one archive may cost."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self.limit, self.written = path, limit, 0

    def check(self, size: int) -> None:
        if size > self.limit:
            raise VebiError(
                f"{self.path}: unpacks to more than {self.limit / 2**30:.3g} GiB, the limit for an "
                "archive. If you trust it, unpack it yourself and compare the folder."
            )

    def members(self, count: int) -> None:
        if count > MEMBER_LIMIT:
            raise VebiError(
                f"{self.path}: more than {MEMBER_LIMIT:,} files in the archive. If you trust it, "
                "unpack it yourself and compare the folder."
            )


class _Bounded(io.RawIOBase):
    """A decompressed stream that refuses to be read too far or in too large pieces."""

    def __init__(self, raw: IO[bytes], budget: _Budget) -> None:
        self._raw, self._budget = raw, budget

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > LARGEST_READ:
            raise VebiError(f"{self._budget.path}: a header of the archive is too long.")
        data = self._raw.read(size)
        # Headers and padding come on top of the contents: at most twice the limit in all.
        self._budget.check(self._raw.tell() // 2)
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        # Seeking decompresses everything on the way.
        if whence == 0:
            self._budget.check(offset // 2)
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()
