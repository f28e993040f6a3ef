"""Damaged files, full disks, two runs at once, want of memory: said clearly, repaired by the next call.

And surroundings that change nothing: another user without a home, a full folder for temporary files, no
locks, a clock that goes back, `python -O`.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TINY = ("--cores", "2", "--configfile", str(Path(__file__).with_name("tiny.yaml")))
PLACE = "digits/matconvnet-digits/seed0"
DATASET, MODEL = "data/digits/dataset.h5", f"models/{PLACE}/model.pt"
DESCRIPTORS, PATH = f"descriptors/{PLACE}/descriptors.h5", f"selection/{PLACE}/all/path.h5"
HISTORY = f"models/{PLACE}/history.csv"
FILES = (DATASET, MODEL, HISTORY, DESCRIPTORS, PATH)

UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode
    == 0
)
needs_mount = pytest.mark.skipif(not CAN_MOUNT, reason="this container allows no mount")


def said(done):
    return done.stdout + done.stderr


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def cut(path):
    os.truncate(path, path.stat().st_size * 2 // 3)


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def two_runs(make_checkout):
    """Two runs of different names at the same time in one folder, and what they said."""
    one = make_checkout("two")
    processes = {
        name: start(one.folder, f"results/{name}/{PATH}", *TINY, "--config", f"run={name}")
        for name in ("a", "b")
    }
    said = {name: process.communicate()[0] for name, process in processes.items()}
    for name, process in processes.items():
        assert process.returncode == 0, said[name]
    return one


def test_two_runs_side_by_side_make_the_same_bytes(two_runs):
    for name in FILES:
        first, second = (two_runs.folder / "results" / run / name for run in "ab")
        assert digest(first) == digest(second)


@pytest.mark.parametrize(
    ("broken", "damage", "follows"),
    [(DATASET, flip, PATH), (MODEL, cut, DESCRIPTORS), (DESCRIPTORS, flip, PATH)],
    ids=["dataset.h5 flipped", "model.pt cut", "descriptors.h5 flipped"],
)
def test_a_damaged_file_is_named_and_made_anew_by_the_next_call(two_runs, broken, damage, follows):
    run = two_runs.folder / "results/a"
    arguments = (f"results/a/{follows}", *TINY, "--config", "run=a")
    expected = {name: digest(run / name) for name in (DATASET, MODEL, DESCRIPTORS, PATH)}
    damage(run / broken)
    (run / follows).unlink()
    if broken == DATASET:
        (run / DESCRIPTORS).unlink()
    failed = two_runs.snakemake(*arguments, check=False)
    assert failed.returncode != 0
    assert f"results/a/{broken} is damaged" in said(failed)
    assert "run Snakemake again, which makes it once more" in said(failed)
    assert "Traceback" not in said(failed)
    two_runs.snakemake(*arguments)
    assert {name: digest(run / name) for name in expected} == expected


# Long enough that nobody finishes meanwhile.
LONG = "models:\n  matconvnet-digits:\n    epochs: 5000\n"


def test_a_second_run_in_the_folder_is_told_and_a_killed_first_blocks_nobody(two_runs, tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    name = f"results/b/{MODEL}"
    long = (name, *TINY, str(tmp_path / "long.yaml"), "--config", "run=b", "--forcerun", "train")
    first = start(two_runs.folder, *long)
    state = two_runs.folder / f"results/b/models/{PLACE}/.model.pt.checkpoint/state.pt"
    while not state.exists():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.1)
    second = two_runs.snakemake(*long, check=False)
    assert second.returncode != 0
    assert f"results/b is being made by process {first.pid} on " in said(second)
    assert "needs another name (`--config run=NAME`)" in said(second)
    assert "Traceback" not in said(second)
    # To look is allowed at any time, and so is a run of another name.
    two_runs.snakemake(*long, "-n")
    two_runs.snakemake(f"results/a/{DATASET}", *TINY, "--config", "run=a")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    again = two_runs.snakemake(name, *TINY, "--config", "run=b")
    assert "unlock" not in said(again)
    assert digest(two_runs.folder / name) == digest(two_runs.folder / f"results/a/{MODEL}")
    # The state of the other, longer training was of no use to this one.
    assert not state.exists()
    assert (
        "going on" not in (two_runs.folder / f"results/b/logs/models/{PLACE}/train.log").read_text()
    )


@needs_mount
def test_a_full_disk_ends_the_run_with_one_clear_error_and_room_is_all_it_takes(make_checkout):
    checkout = make_checkout("full")
    (checkout.folder / "results").mkdir()
    script = (
        'mount -t tmpfs -o size=1m tmpfs results && "$@"; echo "first: $?";'
        ' mount -o remount,size=64m results && "$@"; echo "second: $?"; find results -name ".*part*"'
    )
    command = [sys.executable, "-m", "snakemake", f"results/tiny/{DATASET}", *TINY]
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", script, "bash", *command],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    first, second = said(done).split("first: 1\n")[0], done.stdout.split("first: 1\n")[1]
    assert second.split() == ["second:", "0"], "no half-written file is left"
    text = first + done.stderr
    assert (
        f"results/tiny/{DATASET} can't be written: the disk is full; make room and run again"
        in text
    )
    assert "Traceback" not in text


@needs_mount
def test_a_read_only_results_folder_is_one_clear_error(make_checkout):
    checkout = make_checkout("read-only")
    (checkout.folder / "results").mkdir()
    script = 'mount -t tmpfs -o ro tmpfs results && "$@"'
    command = [sys.executable, "-m", "snakemake", f"results/tiny/{DATASET}", *TINY]
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", script, "bash", *command],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "results/tiny can't be written: the file system is read-only" in said(done)
    assert "Traceback" not in said(done)


@pytest.fixture(scope="module")
def expected(two_runs):
    """What an undisturbed run has made."""
    return digests(two_runs, "a")


def digests(checkout, run="tiny"):
    return {name: digest(checkout.folder / "results" / run / name) for name in FILES}


def call(checkout, target=PATH, prefix=(), without=(), **environment):
    """Run Snakemake by `prefix`, another program; returns the finished process."""
    inherited = {key: value for key, value in os.environ.items() if key not in without}
    return subprocess.run(
        [*prefix, sys.executable, "-m", "snakemake", f"results/tiny/{target}", *TINY],
        cwd=checkout.folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_assertions_the_bytes_are_the_same(make_checkout, expected):
    checkout = make_checkout("optimised")
    done = call(checkout, PYTHONOPTIMIZE="1")
    assert done.returncode == 0, said(done)
    assert digests(checkout) == expected


@needs_mount
def test_another_user_without_a_home_makes_the_same_bytes(make_checkout, expected):
    checkout = make_checkout("stranger")
    nobody = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
    done = call(checkout, prefix=nobody, without=("HOME", "USER", "LOGNAME"))
    assert done.returncode == 0, said(done)
    assert digests(checkout) == expected


@needs_mount
@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("TMPDIR", "small can't be written: the disk is full; make room and run again"),
        # Snakemake's own cache, before it reads the workflow.
        ("XDG_CACHE_HOME", "No space left on device"),
    ],
)
def test_full_folders_outside_are_named_and_room_is_all_it_takes(
    make_checkout, expected, variable, says
):
    checkout = make_checkout(variable)
    (checkout.folder / "small").mkdir()
    script = 'mount -t tmpfs -o size=64k tmpfs small; cat /dev/zero >small/x 2>/dev/null; "$@"'
    small = {variable: str(checkout.folder / "small")}
    failed = call(checkout, prefix=(*UNSHARE, "bash", "-c", script, "bash"), **small)
    assert failed.returncode != 0
    assert says in said(failed)
    done = call(checkout, **small)
    assert done.returncode == 0, said(done)
    assert digests(checkout) == expected


NO_LOCKS = """
import errno, fcntl

def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = fcntl.lockf = flock
"""


def test_where_there_are_no_locks_a_line_says_so_and_the_bytes_are_the_same(
    make_checkout, expected, tmp_path
):
    (tmp_path / "sitecustomize.py").write_text(NO_LOCKS)
    checkout = make_checkout("no-locks")
    places = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = call(checkout, PYTHONPATH=places)
    assert done.returncode == 0, said(done)
    assert "can't be locked" in said(done)
    assert digests(checkout) == expected


def test_a_clock_that_goes_back_changes_no_byte(make_checkout, expected):
    checkout = make_checkout("clock")
    assert call(checkout, MODEL).returncode == 0
    tomorrow = time.time() + 86_400
    for path in checkout.folder.rglob("*"):
        os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
    done = call(checkout)
    assert done.returncode == 0, said(done)
    assert digests(checkout) == expected


@contextmanager
def limited(controller, limit, value):
    """A prefix for a command whose processes together get no more than `value`, and then all there is."""
    group = Path(f"/sys/fs/cgroup/{controller}/vebi-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here ({error})")
    try:
        (group / limit).write_text(str(value))
        yield ("bash", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "bash")
    finally:
        deadline = time.monotonic() + 60
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        group.rmdir()


@pytest.mark.parametrize(
    ("controller", "limit", "value"),
    [("memory", "memory.limit_in_bytes", 260 << 20), ("pids", "pids.max", 4)],
    ids=["memory", "threads"],
)
def test_a_run_without_memory_or_threads_goes_on_when_there_are_some(
    make_checkout, expected, controller, limit, value
):
    checkout = make_checkout(controller)
    with limited(controller, limit, value) as prefix:
        failed = call(checkout, prefix=prefix)
        assert failed.returncode != 0
    done = call(checkout)
    assert done.returncode == 0, said(done)
    assert digests(checkout) == expected
