"""What every script of the workflow does first: log, pin threads, report problems clearly."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from vebi.allocator import keep_freed_memory
from vebi.determinism import pin_threads, use_deterministic_kernels
from vebi.errors import VebiError


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script with its output in the rule's log file.

    A VebiError ends the job with its message alone, in the log and on the terminal.
    """
    terminal = sys.stderr
    keep_freed_memory()
    pin_threads(snakemake.params.compute_threads)
    use_deterministic_kernels()
    with (
        Path(snakemake.log[0]).open("w", encoding="utf-8", buffering=1) as log,
        redirect_stderr(log),
        redirect_stdout(log),
    ):
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)
        try:
            yield
        except VebiError as error:
            log.write(f"error: {error}\n")
            terminal.write(f"\nerror in rule {snakemake.rule}: {error}\n")
            raise SystemExit(1) from None
