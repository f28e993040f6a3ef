"""One run is killed again and again, and ends as if nothing had been.

VEBI_KILLS says how often (default 6), VEBI_KILL_SEED draws other moments. `make test-faults` kills 30
times.
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
N_JOBS = 17
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


def wait_for(condition, main, limit=900.0):
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
        self.main = self.call()

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
            lambda: jobs_done(self.folder) >= progress and self.candidates(victim), self.main
        ):
            self.call()
            return False
        if victim == "training" and self.draw.random() < 0.7:
            # In the midst of a later epoch.
            states = self.folder / "results/tiny/models"
            wait_for(
                lambda: any(states.rglob("state.pt")) or not self.candidates(victim), self.main
            )
            time.sleep(self.draw.uniform(0, 0.3))
        else:
            time.sleep(self.draw.uniform(0, wait))
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


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(make_checkout):
    quiet, killed = make_checkout("quiet").folder, make_checkout("killed").folder
    began = time.monotonic()
    undisturbed = start(quiet)
    draw = random.Random(SEED)
    run = Run(killed, draw)
    kills, tries = dict.fromkeys(VICTIMS, 0), 0
    try:
        while sum(kills.values()) < KILLS:
            tries += 1
            assert tries < 4 * KILLS, kills
            done = jobs_done(killed)
            victim = choose_victim(killed, kills, draw)
            # Spread over the run, so that there is something left for the last.
            progress = (N_JOBS - 1) * sum(kills.values()) // KILLS
            wait = 2 * min(1, (N_JOBS - done) / (KILLS - sum(kills.values())))
            kills[victim] += run.kill(victim, progress, wait)
            run.look()
            print(f"{time.monotonic() - began:4.0f} s: {victim}, {done} jobs done", flush=True)
        assert run.main.wait() == 0, (killed / "calls.log").read_text()[-3000:]
        assert undisturbed.wait() == 0, (quiet / "calls.log").read_text()[-3000:]
    finally:
        for process in (run.main, undisturbed):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    run.look()
    assert_all_gone(run.groups)
    expected = digests(quiet)
    assert jobs_done(quiet) == N_JOBS
    assert digests(killed) == expected
    # At no moment was there a file under its final name that was not the whole one.
    assert {name: list(found) for name, found in run.seen.items()} == {
        name: [digest] for name, digest in expected.items()
    }
    assert hidden(killed) == []
    logs = [path.read_text() for path in (killed / "results/tiny/logs").rglob("train.log")]
    resumed = sum("going on after" in text for text in logs)
    cost = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"kills: {kills} in {run.calls} calls; trainings that went on in the end: {resumed}; "
        f"{time.monotonic() - began:.0f} s, {cost.ru_utime + cost.ru_stime:.0f} CPU s and more"
    )
    log = (killed / "calls.log").read_text()
    assert "unlock" not in log
    assert "Traceback" not in log
    assert start(killed).wait() == 0
    assert "Nothing to be done" in (killed / "calls.log").read_text()[len(log) :]
