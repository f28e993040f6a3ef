"""What every script of the workflow does first: log, pin threads, report problems clearly.

A script's body is `with job(snakemake) as task:`. The task is all that it knows of Snakemake.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vebi.catalogue.methods import further_methods, user_method
from vebi.compute.determinism import pin_threads, use_deterministic_kernels
from vebi.compute.devices import choose_device, full_memory_explained
from vebi.compute.memory import keep_freed_memory
from vebi.compute.processes import die_with
from vebi.io.errors import VebiError
from vebi.io.files import FULL, REMEDIES, why_unwritable
from vebi.run import checksums
from vebi.run.job_context import read_context
from vebi.statistics.keys import draw_key

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel

Section = TypeVar("Section", bound="BaseModel")


@dataclass(frozen=True)
class Task:
    """One job: its files, its parameters, and what follows from them.

    Attributes:
        rule: the rule's name.
        input: files to read, by name (`task.input.model`) or place; so are the next three.
        output: files to write.
        params: the rule's parameters: plain values.
        wildcards: texts.
        factories: the user's code that the configuration names, for `load_model`.
    """

    rule: str
    input: Any
    output: Any
    params: Any
    wildcards: Any
    factories: tuple[str, ...] = ()

    @cached_property
    def device(self) -> torch.device:
        """Where the job computes: the configured device, see `choose_device`."""
        return choose_device(self.params.device)

    @property
    def seed(self) -> int:
        """The seed of the network that the job is about."""
        return int(self.wildcards.seed)

    @property
    def seed_key(self) -> tuple[int, ...]:
        """What every random draw about one network is keyed by, next to its purpose (see `draw_key`).

        It names the root seed, the data set, the model and the seed of its training.
        """
        network = f"network {self.wildcards.dataset}, {self.wildcards.model}"
        return draw_key(network, self.params.root_seed, self.seed)

    def files(self) -> dict[str, Any]:
        """The named inputs: a path each, or a list of paths where the rule gives several."""
        return {
            name: Path(value) if isinstance(value, str) else [Path(one) for one in value]
            for name, value in self.input.items()
        }

    def settings(self, section: type[Section], name: str = "settings") -> Section:
        """A section of the configuration, or the part of one that a stage depends on.

        Args:
            section: its class. The rule passes all its keys: a default here could differ from what
                the configuration says.
            name: the rule's parameter with its values.

        Raises:
            TypeError: the rule leaves a key out.
        """
        values = self.params[name]
        if missing := section.model_fields.keys() - values.keys():
            raise TypeError(
                f"rule {self.rule}: params.{name} lacks {', '.join(sorted(missing))} of "
                f"{section.__name__}; pass get_settings(CONFIG..., *{section.__name__}.model_fields)"
            )
        return section.model_validate(values)


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
def job(snakemake: Any) -> Iterator[Task]:
    """Run the body of a script with its output in the rule's log file; yields its `Task`.

    Its inputs are compared with their checksums before, those of its outputs are written after. A
    VebiError ends the job with its message alone, in the log and on the terminal; so does a log file
    that can't be written.

    Args:
        snakemake: the object of that name that Snakemake gives to every script.
    """
    terminal = sys.stderr
    is_open = False
    context = read_context()
    die_with(context.owner)
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
                with (
                    checked_files(snakemake),
                    full_memory_explained(),
                    further_methods(
                        user_method(place=place, **values)
                        for place, values in enumerate(context.methods)
                    ),
                ):
                    yield _task_of(snakemake, context.factories)
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


def _task_of(snakemake: Any, factories: tuple[str, ...]) -> Task:
    # A rule without inputs, outputs or wildcards has none of them to offer.
    parts = {
        name: getattr(snakemake, name, None) for name in ("input", "output", "params", "wildcards")
    }
    return Task(rule=snakemake.rule, factories=factories, **parts)


@contextmanager
def checked_files(snakemake: Any) -> Iterator[None]:
    """Check what a job reads, and write down the checksums of what it has made.

    A damaged input is set aside, so that the next run makes it again. Raises VebiError that says so.
    """
    runs = read_context().runs
    for run in runs:
        checksums.forget(snakemake.output, run)
    try:
        for path in snakemake.input:
            checksums.check(path)
    except checksums.DamagedFileError as error:
        raise checksums.set_aside(error) from error
    yield
    for run in runs:
        checksums.record(snakemake.output, run)
