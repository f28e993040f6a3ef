"""A run is killed again and again, and ends as if nothing had been.

VEBI_KILLS says how often (default 6), VEBI_KILL_SEED draws other moments. `make test-faults` kills 30
times. Where a run comes to its end before that, as on a busy machine, on which a victim has often gone
when its turn comes, another run is killed as well.
"""

import base64
import hashlib
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("VEBI_KILLS", "6"))
SEED = int(os.environ.get("VEBI_KILL_SEED", "0"))
TABLES = [f"results/tiny/tables/{name}.csv" for name in ("training", "iou_auc")]
# A killed job is started again by the same call; a killed main process needs another.
COMMAND = [*TABLES, "--cores", "2", "--retries", "20"]
COMMAND += ["--configfile", str(Path(__file__).with_name("tiny.yaml"))]
N_JOBS = 13
# Seconds from the call of Snakemake to its first job, where nothing else runs.
QUIET_START = 5.0
# And until anything that is waited for has come.
LIMIT = 900.0
# What is killed: the main process with all of its group, that process alone, or one of its jobs.
VICTIMS = {
    "group": None,
    "main": None,
    "job": r"\.snakemake/scripts/",
    "render": r"vebi\.data\.an8flower\.render",
    "training": r"\.snakemake/scripts/\S*\.train\.py",
}
HOW_A_RUN_WENT = ("logs", "benchmarks", ".lock")


def results(folder):
    """Files of the run under their final names, but logs."""
    run = folder / "results/tiny"
    for path in sorted(run.rglob("*")):
        inside = path.relative_to(run)
        is_hidden = any(part[0] == "." and part != ".checksums" for part in inside.parts)
        if path.is_file() and inside.parts[0] not in HOW_A_RUN_WENT and not is_hidden:
            yield str(inside), path


def digests(folder):
    found = {}
    for name, path in results(folder):
        # A job that has a last second to live may move a file.
        with suppress(FileNotFoundError):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def hidden(folder):
    """Unfinished files: temporary ones and checkpoints."""
    run = folder / "results/tiny"
    return [path for path in run.rglob(".*") if path.name not in (".checksums", ".lock")]


def recorded(folder, kind):
    """Files that Snakemake has written down as finished (metadata) or begun (incomplete)."""
    place = folder / ".snakemake" / kind
    for path in place.rglob("*"):
        if path.is_file():
            name = "".join(part.lstrip("@") for part in path.relative_to(place).parts)
            yield base64.urlsafe_b64decode(name).decode()


def finished(folder):
    """Inode and time of every file that Snakemake knows to be finished."""
    names = set(recorded(folder, "metadata")) - set(recorded(folder, "incomplete"))
    found = {}
    for name in names:
        if (folder / name).is_file():
            status = (folder / name).stat()
            found[name] = (status.st_ino, status.st_mtime_ns)
    return found


def processes(group):
    """(number, command) of every living process of a process group."""
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and os.getpgid(int(place.name)) == group:
                state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if state not in "ZX":
                    yield int(place.name), command
        except OSError:
            continue


def start(folder):
    log = (folder / "calls.log").open("a")
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *COMMAND],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def jobs_done(folder):
    return len(list((folder / "results/tiny/benchmarks").rglob("*.tsv")))


def wait_for(condition, main, limit=LIMIT):
    """True as soon as the condition holds; False when the main process has ended."""
    deadline = time.monotonic() + limit
    while main.poll() is None:
        if condition():
            return True
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return False


class Run:
    """The run that is killed, and what was seen of it."""

    def __init__(self, folder, draw):
        self.folder, self.draw = folder, draw
        self.calls, self.groups = 0, []
        # Digests that each file had, and the inode and time of those that were finished.
        self.seen, self.finished = {}, {}
        self.is_over = False
        # How much slower than a quiet machine this is, by what Snakemake needs until a job runs.
        self.pace = 1.0
        began = time.monotonic()
        self.main = self.call()
        if wait_for(lambda: self.candidates("job"), self.main):
            self.pace = max(1.0, (time.monotonic() - began) / QUIET_START)

    def call(self):
        self.calls += 1
        self.main = start(self.folder)
        self.groups.append(self.main.pid)
        return self.main

    def candidates(self, victim):
        pattern = VICTIMS[victim] or VICTIMS["job"]
        return [n for n, command in processes(self.main.pid) if re.search(pattern, command)]

    def kill(self, victim, progress, wait):
        """Kill a victim, up to `wait` seconds after a number of jobs are done, if there is one."""
        if not wait_for(
            lambda: jobs_done(self.folder) >= progress and self.candidates(victim),
            self.main,
            LIMIT * self.pace,
        ):
            self.is_over = self.main.wait() == 0
            if not self.is_over:
                self.call()
            return False
        if victim == "training" and self.draw.random() < 0.7:
            # In the midst of a later epoch.
            states = self.folder / "results/tiny/models"
            wait_for(
                lambda: any(states.rglob("state.pt")) or not self.candidates(victim), self.main
            )
            time.sleep(self.draw.uniform(0, 0.3 * self.pace))
        else:
            time.sleep(self.draw.uniform(0, wait * self.pace))
        if victim in ("group", "main"):
            if victim == "group":
                os.killpg(self.main.pid, signal.SIGKILL)
            self.main.kill()
            self.main.wait()
            self.call()
            return True
        chosen = self.candidates(victim)
        if chosen:
            with suppress(ProcessLookupError):
                os.kill(self.draw.choice(chosen), signal.SIGKILL)
                return True
        return False

    def look(self):
        """Note every file under its final name; what was finished must be as it was."""
        for name, digest in digests(self.folder).items():
            self.seen.setdefault(name, set()).add(digest)
        now = finished(self.folder)
        assert {name: now.get(name) for name in self.finished} == self.finished
        self.finished = now


def assert_all_gone(groups):
    """Jobs whose Snakemake was killed end by themselves."""
    deadline = time.monotonic() + 120
    while left := [process for group in groups for process in processes(group)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.1)


def choose_victim(folder, kills, draw):
    """What is killed next: often a renderer or a training while there is one to come."""
    run = folder / "results/tiny"
    chosen = min(("group", "main", "job"), key=lambda name: (kills[name], draw.random()))
    if draw.random() < 0.6:
        if len(list(run.glob("data/*/chunks/[0-9]*.h5"))) < 3:
            return "render"
        if len(list(run.glob("models/*/*/*/model.pt"))) < 2:
            return "training"
    return chosen


def disturb(run, kills, draw, began):
    """Kill a run until it has been killed often enough, all runs together, or is over."""
    before = sum(kills.values())
    while sum(kills.values()) < KILLS and not run.is_over:
        done, killed = jobs_done(run.folder), sum(kills.values())
        victim = choose_victim(run.folder, kills, draw)
        # Spread over the run, so that there is something left for the last.
        progress = (N_JOBS - 1) * (killed - before) // (KILLS - before)
        wait = 2 * min(1, (N_JOBS - done) / (KILLS - killed))
        kills[victim] += run.kill(victim, progress, wait)
        run.look()
        print(f"{time.monotonic() - began:4.0f} s: {victim}, {done} jobs done", flush=True)
    assert run.main.wait() == 0, (run.folder / "calls.log").read_text()[-3000:]
    assert sum(kills.values()) > before, "nothing of the run could be killed"


def check_as_if_nothing_had_been(run, expected):
    """Every file that a killed run has, or had at any moment, is as the undisturbed run made it."""
    run.look()
    assert_all_gone(run.groups)
    assert digests(run.folder) == expected
    # At no moment was there a file under its final name that was not the whole one.
    assert {name: list(found) for name, found in run.seen.items()} == {
        name: [digest] for name, digest in expected.items()
    }
    assert hidden(run.folder) == []
    log = (run.folder / "calls.log").read_text()
    assert "unlock" not in log
    assert "Traceback" not in log
    assert start(run.folder).wait() == 0
    assert "Nothing to be done" in (run.folder / "calls.log").read_text()[len(log) :]


def test_runs_that_are_killed_again_and_again_end_as_if_nothing_had_been(make_checkout):
    quiet = make_checkout("quiet").folder
    began = time.monotonic()
    undisturbed = start(quiet)
    draw = random.Random(SEED)
    runs, kills = [], dict.fromkeys(VICTIMS, 0)
    try:
        while sum(kills.values()) < KILLS:
            runs.append(Run(make_checkout(f"killed{len(runs)}").folder, draw))
            disturb(runs[-1], kills, draw, began)
        assert undisturbed.wait() == 0, (quiet / "calls.log").read_text()[-3000:]
    finally:
        for process in (undisturbed, *(run.main for run in runs)):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert jobs_done(quiet) == N_JOBS
    expected = digests(quiet)
    for run in runs:
        check_as_if_nothing_had_been(run, expected)
    logs = [
        path.read_text()
        for run in runs
        for path in (run.folder / "results/tiny/logs").rglob("train.log")
    ]
    resumed = sum("going on after" in text for text in logs)
    cost = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"kills: {kills} in {sum(run.calls for run in runs)} calls of {len(runs)} runs; trainings that "
        f"went on in the end: {resumed}; {time.monotonic() - began:.0f} s, "
        f"{cost.ru_utime + cost.ru_stime:.0f} CPU s and more"
    )
