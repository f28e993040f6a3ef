"""`--logger vebi`: Snakemake's rich logger, and a bar with the remaining time for each running job.

A job's tqdm bars go to its log, once a second; what stands last in the logs of running jobs is drawn
here. Snakemake finds this module by its name, among installed ones: `pip install -e .` puts the folder
there.
"""

import json
import os
import re
import threading
from logging import LogRecord
from pathlib import Path
from typing import Any

from rich.progress import ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_rich import LogHandler as RichLogger

# `vebi.run.job_context.VARIABLE`. Nothing of `vebi` is imported here: Snakemake loads this before the
# Snakefile, whose own copy of the package is the one to be used.
JOB_CONTEXT = "VEBI_JOB"
# `train: 40%|####      | 12/30 [01:10<01:45, 5.9s/epoch]`
BAR = re.compile(
    r"(?:(?P<title>[^\r\n]*?): +)?\d+%\|[^|\r\n]*\| *(?P<done>\d+)/(?P<total>\d+) "
    r"\[[\d:]+<(?P<left>[\d:]+|\?),[^\]\r\n]*?(?P<unit>[a-z]+)?(?:/s)?\]"
)
TAIL = 4096


def read_bar(log: str | Path) -> tuple[int, int, str] | None:
    """Steps done, steps in all and remaining time of the last bar in a log; None if there is none."""
    try:
        with Path(log).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return None
    last = None
    for last in BAR.finditer(text):  # noqa: B007
        pass
    return (int(last["done"]), int(last["total"]), last["left"]) if last else None


class RemainingColumn(ProgressColumn):
    """The remaining time: for jobs as their bar says it, for rules by the jobs that are finished."""

    def __init__(self) -> None:
        """Estimates by finished jobs come from rich."""
        self._estimate = TimeRemainingColumn()
        super().__init__()

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds left, or nothing where nobody knows."""
        left = task.fields.get("left")
        if left is None:
            text = str(self._estimate.render(task))
            left = "" if "-" in text or task.finished else text
        return Text(f"{left} left" if left and left != "?" else "", style="cyan")


class LogHandler(RichLogger):  # type: ignore[misc, unused-ignore]
    """The rich logger with running jobs below the rules."""

    def __post_init__(self) -> None:
        """Set up the display; jobs that start from here on draw bars into their logs."""
        super().__post_init__()
        context = json.loads(os.environ.get(JOB_CONTEXT) or "{}")
        os.environ[JOB_CONTEXT] = json.dumps({**context, "draws_bars": True})
        os.environ.setdefault("TQDM_MININTERVAL", "1")
        # A job may take minutes; half a minute of memory gives no speed then.
        self.progress.speed_estimate_period = 3600.0
        columns = [c for c in self.progress.columns if not isinstance(c, TimeElapsedColumn)]
        self.progress.columns = (*columns, TimeElapsedColumn(), RemainingColumn(), TextColumn(""))
        self._logs: dict[int, tuple[str, str]] = {}
        self._tasks: dict[int, Any] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, daemon=True).start()

    def emit(self, record: LogRecord) -> None:
        """Note which jobs run, and pass the record on."""
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_INFO and not self.common_settings.dryrun:
            logs = list(getattr(record, "log", None) or [])
            if logs:
                values = [str(value) for value in dict(getattr(record, "wildcards", {})).values()]
                name = " ".join([str(getattr(record, "rule_name", "")).replace("_", " "), *values])
                with self._lock:
                    self._logs[record.jobid] = (name, str(logs[0]))  # type: ignore[attr-defined]
        elif event in (LogEvent.JOB_FINISHED, LogEvent.JOB_ERROR):
            number = getattr(record, "job_id", getattr(record, "jobid", None))
            with self._lock:
                self._logs.pop(number, None)  # type: ignore[arg-type]
                task = self._tasks.pop(number, None)  # type: ignore[arg-type]
            if task is not None:
                self.progress.remove_task(task)
        super().emit(record)

    def _follow(self) -> None:
        pause = threading.Event()
        while not pause.wait(1.0):
            self.draw_running()

    def draw_running(self) -> None:
        """Bring the bars of running jobs up to date."""
        with self._lock:
            for number, (name, log) in self._logs.items():
                bar = read_bar(log)
                if bar is None:
                    continue
                done, total, left = bar
                if number not in self._tasks:
                    self._tasks[number] = self.progress.add_task(
                        f"  [default]{name}[/]", total=total, active=""
                    )
                self.progress.update(
                    self._tasks[number], completed=done, total=total, left=left, active=""
                )
