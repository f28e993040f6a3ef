"""Checksums that a run keeps of its files, so that damage is found before a number is made of it.

Every job writes down the SHA-256 of what it made and compares what it reads. They are in the
run's folder `.checksums`, one text for each declared output, in the form of `sha256sum`. A file
without one (made elsewhere, or by an older version) is not checked.

Files are checked at the doors, before anything opens them: by the job (`vebi.run.job`) and by every
command of the command line that reads files of a run (`check_files`). Functions that open a file, and
with them the Python API, check its form and not its checksum.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vebi.io.errors import VebiError
from vebi.io.files import read_bounded, sha256, write_text
from vebi.io.guard import check_survives
from vebi.io.inside import first_link, leads_inside, remove_file

FOLDER = ".checksums"
BROKEN = ".broken"
# A line is some 100 bytes: a folder of a million files.
LARGEST_TEXT = 100_000_000

_seen_whole: set[tuple[str, int, int, int]] = set()


class DamagedFileError(VebiError):
    """A file that is not as it was written; `output` is the job's output that it belongs to."""

    def __init__(self, path: Path, output: Path, what: str) -> None:
        self.path, self.output, self.what = path, output, what
        super().__init__(f"{path} is damaged: {what}. Delete it and run again.")


@dataclass(frozen=True)
class Entry:
    """What is known of a file: its path and the SHA-256 that it had."""

    path: Path
    sha256: str


def forget(outputs: Iterable[str | Path], run: str | Path) -> None:
    """Delete the checksums of outputs that are about to be made again."""
    for output in outputs:
        if text := _text_of(Path(output), Path(run)):
            remove_file(text, Path(run))


def record(outputs: Iterable[str | Path], run: str | Path) -> None:
    """Write down the checksums of finished outputs below the folder `run`, files or folders.

    Raises:
        VebiError: a link in the folder of checksums, which would lead to another file.
    """
    for output in map(Path, outputs):
        text = _text_of(output, Path(run))
        if text is not None:
            if link := first_link(text, Path(run)):
                raise VebiError(f"{link} is a link, where checksums are to be written. Delete it.")
            files = _files_in(output) if output.is_dir() else [output]
            names = (os.path.relpath(file, output.parent) for file in files)
            lines = [f"{sha256(file)}  {name}\n" for file, name in zip(files, names, strict=True)]
            write_text(text, "".join(lines))


def check(path: str | Path) -> None:
    """Compare a file of a run, or all files of a folder that is an output, with its checksum.

    Raises DamagedFileError. What is gone is not damage: opening it will tell. A file is read once per
    process, unless it changes.
    """
    output = Path(path)
    for entry in recorded(output):
        try:
            status = entry.path.stat()
            key = (str(entry.path), status.st_ino, status.st_size, status.st_mtime_ns)
            if key in _seen_whole:
                continue
            found = sha256(entry.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            what = f"it can't be read ({error.strerror or error})"
            raise DamagedFileError(entry.path, output, what) from error
        if found != entry.sha256:
            what = "its content has changed since it was written (the checksum differs)"
            raise DamagedFileError(entry.path, output, what)
        _seen_whole.add(key)


def check_files(*paths: str | Path) -> None:
    """Look at the files that a command is about to open: their checksums, or if they survive reading.

    Raises:
        DamagedFileError: the first that is not as it was written.
        VebiError: a file without a checksum that crashes, or hangs, the library that reads it.
    """
    for path in paths:
        check(path)
    check_survives([path for path in paths if not recorded(Path(path))])


def recorded(output: Path) -> list[Entry]:
    """The checksums that a run has of an output; none where it has none, or no readable ones."""
    for folder in output.absolute().parents:
        if (folder / FOLDER).is_dir():
            text = _text_of(output, folder)
            return list(_entries(text, output)) if text is not None else []
    return []


def recorded_outputs(run: Path) -> list[Path]:
    """Every output of a run that has checksums."""
    texts = sorted((run / FOLDER).rglob("*.sha256"))
    return [run / text.relative_to(run / FOLDER).with_suffix("") for text in texts]


def set_aside(error: DamagedFileError) -> VebiError:
    """Move a damaged output out of the way, so that the next run makes it again; returns what to say."""
    output = error.output
    aside = output.with_name(output.name + BROKEN)
    try:
        output.replace(aside)
    except FileNotFoundError:
        pass  # another job was first
    except OSError:
        return error
    return VebiError(
        f"{error.path} is damaged: {error.what}. It is {aside} now: "
        "run Snakemake again, which makes it once more."
    )


def _text_of(output: Path, run: Path) -> Path | None:
    """Where the checksum of an output stands; None for a file outside the run."""
    try:
        inside = output.absolute().relative_to(run.absolute())
    except ValueError:
        return None
    return run / FOLDER / inside.parent / f"{inside.name}.sha256"


def _entries(text: Path, output: Path) -> Iterator[Entry]:
    try:
        lines = read_bounded(text, LARGEST_TEXT).decode("utf-8").splitlines()
    except (OSError, UnicodeError, VebiError):
        return
    for line in lines:
        digest, separator, name = line.partition("  ")
        # Only the output itself or what is in it, whatever a text from elsewhere says.
        is_of_output = leads_inside(name) and Path(name).parts[0] == output.name
        if separator and len(digest) == 64 and is_of_output:
            yield Entry(output.parent / name, digest)


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.name[0] != ".")
