"""What every script of the workflow does first: log, pin threads, report problems clearly."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from vebi.compute.determinism import pin_threads, use_deterministic_kernels
from vebi.compute.devices import full_memory_explained
from vebi.compute.memory import keep_freed_memory
from vebi.compute.processes import die_with
from vebi.io.errors import VebiError
from vebi.io.files import FULL, REMEDIES, why_unwritable
from vebi.run import checksums
from vebi.run.job_context import read_context


class _BarLog(io.TextIOWrapper):
    """A log that tqdm takes for a terminal, so that it draws its bars there."""

    def isatty(self) -> bool:
        return True


def _open_log(path: str) -> io.TextIOWrapper:
    """A log file, flushed at every line."""
    if not read_context().draws_bars:
        return Path(path).open("w", encoding="utf-8", buffering=1)
    return _BarLog(Path(path).open("wb"), encoding="utf-8", line_buffering=True)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script with its output in the rule's log file.

    Its inputs are compared with their checksums before, those of its outputs are written after. A
    VebiError ends the job with its message alone, in the log and on the terminal; so does a log file
    that can't be written.
    """
    terminal = sys.stderr
    is_open = False
    die_with(read_context().owner)
    keep_freed_memory()
    pin_threads(snakemake.params.compute_threads)
    use_deterministic_kernels()
    try:
        with (
            _open_log(snakemake.log[0]) as log,
            redirect_stderr(log),
            redirect_stdout(log),
        ):
            is_open = True
            logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
            try:
                with checked_files(snakemake), full_memory_explained():
                    yield
            except VebiError as error:
                terminal.write(f"\nerror in rule {snakemake.rule}: {error}\n")
                # The disk may be full.
                with suppress(OSError):
                    log.write(f"error: {error}\n")
                raise SystemExit(1) from None
    except OSError as error:
        reason = why_unwritable(error, FULL if is_open else REMEDIES)
        if reason is None:
            raise
        terminal.write(f"\nerror in rule {snakemake.rule}: {snakemake.log[0]}: {reason}.\n")
        raise SystemExit(1) from None


@contextmanager
def checked_files(snakemake: Any) -> Iterator[None]:
    """Check what a job reads, and write down the checksums of what it has made.

    A damaged input is set aside, so that the next run makes it anew. Raises VebiError that says so.
    """
    run = read_context().run
    if not run:
        yield
        return
    checksums.forget(snakemake.output, run)
    try:
        for path in snakemake.input:
            checksums.check(path)
    except checksums.DamagedFileError as error:
        raise checksums.set_aside(error) from error
    yield
    checksums.record(snakemake.output, run)


def paths_by_name(files: Any) -> dict[str, Any]:
    """Snakemake's named inputs as a path each, or a list of paths where a rule gives several."""
    return {
        name: Path(value) if isinstance(value, str) else [Path(one) for one in value]
        for name, value in files.items()
    }
