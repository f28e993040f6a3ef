import os
import subprocess
import sys

import pytest

from vebi.io.errors import VebiError
from vebi.run.lock import hold_run

HOLD = "import sys; from pathlib import Path; from vebi.run.lock import hold_run;"
HOLD += "hold_run(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def start_holder(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_is_first_and_a_killed_first_leaves_nothing_behind(tmp_path):
    first = start_holder(tmp_path / "run")
    try:
        with pytest.raises(VebiError, match=f"is being made by process {first.pid} on "):
            hold_run(tmp_path / "run")
        other = start_holder(tmp_path / "other")
        other.communicate()
    finally:
        first.kill()
        first.communicate()
    again = start_holder(tmp_path / "run")
    assert again.communicate()[0] == ""
    assert again.returncode == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(VebiError, match=r"results/run can't be written"):
        hold_run(tmp_path / "results" / "run")


def test_a_lock_that_is_a_link_or_a_fifo_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "victim").write_text("mine")
    lock = tmp_path / ".lock"
    for to in ("victim", "not-there"):
        lock.symlink_to(to)
        with pytest.raises(VebiError, match=r"\.lock is a link"):
            hold_run(tmp_path)
        lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(VebiError, match=r"\.lock is a link or another kind"):
        hold_run(tmp_path)
    assert lock.is_fifo()
    assert (tmp_path / "victim").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "victim"]


def test_a_folder_for_temporary_files_that_can_not_be_written_is_named_before_any_work(
    tmp_path, monkeypatch
):
    absent = tmp_path / "absent"
    monkeypatch.setenv("TMPDIR", str(absent))
    with pytest.raises(VebiError, match=rf"temporary files {absent} can't be written.*TMPDIR"):
        hold_run(tmp_path / "run")
    assert not (tmp_path / "run").exists()
