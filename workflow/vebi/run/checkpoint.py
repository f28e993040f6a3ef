"""Where a training that was cut off goes on: after its last whole epoch, to the same bytes.

A checkpoint is a folder next to the network's file. It is not an output of its job, since Snakemake
deletes those of a job that was cut off. Order of images and dropout are drawn for every epoch
from the seed, so weights, optimiser and schedule are the whole state.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vebi.io.files import atomic_path, sha256
from vebi.run import checksums

if TYPE_CHECKING:
    from vebi.run.job import Task

log = logging.getLogger(__name__)

STATE = "state.pt"
_DIGEST_BYTES = 32


class Checkpoint:
    """State of a training after its last epoch, in `folder`; `key` says what the state belongs to."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def save(
        self,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        history: list[dict[str, Any]],
    ) -> None:
        """Replace the state by the one after the last epoch of `history`.

        Args:
            net: the network.
            optimiser, schedule: what trains it.
            history: a row per epoch.
        """
        buffer = io.BytesIO()
        state = {
            "key": self.key,
            "net": dict(net.state_dict()),
            "buffers": _unsaved_buffers(net),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "history": history,
        }
        torch.save(state, buffer)
        content = buffer.getvalue()
        with atomic_path(self.folder / STATE, survives_power_cut=False) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)

    def resume(
        self,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> list[dict[str, Any]]:
        """Put the saved state into a training that has not begun.

        Where there is none, or a damaged one, or one that belongs to something else, the folder is
        emptied.

        Args:
            net: the network.
            optimiser, schedule: what trains it.

        Returns:
            The history up to the saved state, empty without one.
        """
        state = self._read()
        if state is None or state["key"] != self.key:
            self.remove()
            return []
        net.load_state_dict(state["net"])
        for name, values in state["buffers"].items():
            net.get_buffer(name).copy_(values)
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        history: list[dict[str, Any]] = state["history"]
        log.info("going on after epoch %d, from %s", len(history), self.folder)
        return history

    def remove(self) -> None:
        """Delete the checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            content = (self.folder / STATE).read_bytes()
        except OSError:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            return None
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(content), map_location="cpu", weights_only=True
            )
        except (RuntimeError, pickle.UnpicklingError):
            return None  # a user's own module may keep what is not a plain value
        return state


@contextmanager
def checkpoint_of(task: Task, output: str | Path) -> Iterator[Checkpoint]:
    """The checkpoint of a job that trains the network `output`; it goes when the block succeeds.

    It belongs to the job's rule, parameters (code among them) and wildcards, the content of its
    inputs, the kind of device and torch's version: a training of anything else starts from nothing.
    """
    output, device = Path(output), task.device
    content = {
        "rule": task.rule,
        "wildcards": dict(task.wildcards.items()),
        "params": dict(task.params.items()),
        "inputs": [_digest_of(path) for path in task.input],
        "device": device.type if device.type == "cpu" else torch.cuda.get_device_name(device),
        "torch": torch.__version__,
    }
    text = json.dumps(content, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()
    checkpoint = Checkpoint(output.with_name(f".{output.name}.checkpoint"), key)
    yield checkpoint
    checkpoint.remove()


def _digest_of(path: str) -> str:
    entries = checksums.recorded(Path(path))
    return entries[0].sha256 if len(entries) == 1 else sha256(path)


def _unsaved_buffers(net: nn.Module) -> dict[str, torch.Tensor]:
    """Buffers that a module leaves out of its state dict."""
    saved = net.state_dict().keys()
    return {name: values for name, values in net.named_buffers() if name not in saved}
