"""`--logger vebi`: Snakemake's rich logger, with a line for each running job: its time, and what is left.

A job's tqdm bars go to its log, once a second; what stands last in the logs of running jobs is drawn
here. Finished rules fold away, and Ctrl-C ends in two lines. Snakemake finds this module by its name,
among installed ones: `pip install -e .` puts the folder there.

Snakemake imports it in any case, before it reads the configuration, which is looked at here first.
"""

import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from logging import LogRecord
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_rich import LogHandler as RichLogger

from snakemake_logger_plugin_vebi.configuration_text import check_command_line

check_command_line()

# `vebi.run.job_context.VARIABLE`. Nothing of `vebi` is imported here: Snakemake loads this before the
# Snakefile, whose own copy of the package is the one to be used.
JOB_CONTEXT = "VEBI_JOB"
# How the user started the run, where that was not by `snakemake`.
COMMAND = "VEBI_COMMAND"
# `train: 40%|####      | 12/30 [01:10<01:45, 5.9s/epoch]`
BAR = re.compile(
    r"(?:(?P<title>[^\r\n]*?): +)?\d+%\|[^|\r\n]*\| *(?P<done>\d+)/(?P<total>\d+) "
    r"\[[\d:]+<(?P<left>[\d:]+|\?),[^\]\r\n]*?(?P<unit>[a-z]+)?(?:/s)?\]"
)
TAIL = 4096
# The name that the rich logger gives to the bar of all jobs.
TOTAL = "Total Progress"


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


class CountColumn(ProgressColumn):
    """What is done, with its unit: `12 of 30 steps` of a job, `3 of 8 jobs, 2 running` of a rule."""

    def __init__(self, running: Callable[[TaskID], int]) -> None:
        """`running`: how many jobs of a rule's bar run."""
        self._running = running
        super().__init__()

    def render(self, task: Task) -> Text:
        """The numbers; nothing for a job that does not count its steps."""
        if task.total is None:
            return Text("")
        done, total = int(task.completed), int(task.total)
        if task.fields.get("is_job"):
            return Text(f"{done} of {total} step{'s' * (total != 1)}")
        running = self._running(task.id)
        now = f", {running} running" if running else ""
        return Text(f"{done} of {total} job{'s' * (total != 1)}{now}")


class ElapsedColumn(ProgressColumn):
    """How long a job, or the whole run, has been running."""

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds; nothing for a rule, whose jobs come and go."""
        if not (task.fields.get("is_job") or task.description == TOTAL):
            return Text("")
        seconds = int((task.finished_time if task.finished else task.elapsed) or 0)
        text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return Text(f"{text} elapsed", style="yellow")


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
        self.progress.columns = (
            SpinnerColumn(spinner_name="dots", style="default", finished_text="[dim green]✓"),
            TextColumn("[bold blue]{task.description}"),
            BarColumn(bar_width=None, complete_style="green", finished_style="dim green"),
            CountColumn(self._count_running),
            ElapsedColumn(),
            RemainingColumn(),
        )
        # Of running jobs: the rule, and where its bar is to be read.
        self._rules: dict[int, str] = {}
        self._logs: dict[int, str] = {}
        self._tasks: dict[int, TaskID] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._is_closed = False
        self._before = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        # A run in the background ignores the terminal's Ctrl-C.
        if is_main and self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._stop)
        threading.Thread(target=self._follow, daemon=True).start()

    def emit(self, record: LogRecord) -> None:
        """Note which jobs run, and pass the record on."""
        if self._stopped:
            # What follows says that jobs were ended, each in many lines.
            return
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_INFO and not self.common_settings.dryrun:
            self._begin(record)
        elif event in (LogEvent.JOB_FINISHED, LogEvent.JOB_ERROR):
            self._end(getattr(record, "job_id", getattr(record, "jobid", -1)))
        if event is LogEvent.JOB_ERROR:
            # The rich logger reads them all, and a job that ends early has none yet.
            logs = [log for log in getattr(record, "log", None) or [] if Path(log).is_file()]
            vars(record)["log"] = logs
            known = self.event_handler.jobs_info.get(getattr(record, "jobid", -1), {})
            known["log"] = logs
        super().emit(record)
        if event is LogEvent.JOB_FINISHED:
            self._fold()

    def close(self) -> None:
        """Clean up; after Ctrl-C say what was done and how to go on."""
        super().close()
        if self._stopped and not self._is_closed:
            self._is_closed = True
            handler = self.event_handler
            total = handler.total_jobs
            done = f" after {handler.completed} of {total} jobs" if total else ""
            command = os.environ.get(COMMAND) or shlex.join(
                [Path(sys.argv[0]).name.replace("__main__.py", "snakemake"), *sys.argv[1:]]
            )
            self.console.print(f"Stopped{done}; what is finished is kept.", highlight=False)
            self.console.print(
                f"Go on with: {command}", highlight=False, markup=False, soft_wrap=True
            )

    def _stop(self, number: int, frame: Any) -> None:
        """Ctrl-C: from here on nothing more is said, and Snakemake ends its jobs."""
        self._stopped = True
        if callable(self._before):
            self._before(number, frame)

    def _begin(self, record: LogRecord) -> None:
        number, rule = record.jobid, str(getattr(record, "rule_name", ""))  # type: ignore[attr-defined]
        values = [str(value) for value in dict(getattr(record, "wildcards", None) or {}).values()]
        name = " ".join([rule.replace("_", " "), *values])
        logs = list(getattr(record, "log", None) or [])
        with self._lock:
            self._rules[number] = rule
            self._logs.update({number: str(logs[0])} if logs else {})
            self._tasks[number] = self.progress.add_task(
                f"  [default]{escape(name)}[/]", total=None, active="", is_job=True
            )

    def _end(self, number: int) -> None:
        with self._lock:
            self._rules.pop(number, None)
            self._logs.pop(number, None)
            task = self._tasks.pop(number, None)
        if task is not None:
            self.progress.remove_task(task)

    def _fold(self) -> None:
        """Rules whose jobs are all done make room for those that have some left."""
        for name, task_id in self.event_handler.progress_display.rule_tasks.items():
            task = self.progress._tasks.get(task_id)
            if name != TOTAL and task is not None and task.finished:
                self.progress.update(task_id, visible=False)

    def _count_running(self, task: TaskID) -> int:
        names = {i: name for name, i in self.event_handler.progress_display.rule_tasks.items()}
        name, running = names.get(task), list(self._rules.values())
        return len(running) if name == TOTAL else running.count(str(name))

    def _follow(self) -> None:
        pause = threading.Event()
        while not pause.wait(1.0):
            self.draw_running()

    def draw_running(self) -> None:
        """Bring the bars of running jobs up to date."""
        with self._lock:
            for number, log in self._logs.items():
                bar = read_bar(log)
                if bar is None:
                    continue
                done, total, left = bar
                self.progress.update(
                    self._tasks[number], completed=done, total=total, left=left, active=""
                )
