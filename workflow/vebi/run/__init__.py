"""A run of the workflow: its jobs, lock, checksums, code digests, checkpoints and manifest.

Only this package knows Snakemake.
"""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.run.checkpoint import Checkpoint, checkpoint_of
    from vebi.run.job import Task
    from vebi.run.job_context import JobContext, read_context
    from vebi.run.lock import hold_run
    from vebi.run.manifest import build_manifest, verify_run, write_manifest
    from vebi.run.plan import Plan, Run

__all__ = [
    "Checkpoint",
    "JobContext",
    "Plan",
    "Run",
    "Task",
    "build_manifest",
    "checkpoint_of",
    "hold_run",
    "read_context",
    "verify_run",
    "write_manifest",
]

__getattr__ = late_names(
    __name__,
    {
        "checkpoint": ("Checkpoint", "checkpoint_of"),
        "job": ("Task",),
        "job_context": ("JobContext", "read_context"),
        "lock": ("hold_run",),
        "manifest": ("build_manifest", "verify_run", "write_manifest"),
        "plan": ("Plan", "Run"),
    },
)
