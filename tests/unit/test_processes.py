import os
import signal
import subprocess
import sys
import time

import pytest

from vebi.errors import VebiError
from vebi.processes import OWNER, hold_run, identify

HOLD = "import sys; from pathlib import Path; from vebi.processes import hold_run;"
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


# A child that outlives its parent, unless it watches it: the parent starts it and waits.
CHILD = "from vebi.processes import die_with_owner; import time; die_with_owner(0.05);"
CHILD += "print('here', flush=True); time.sleep(60)"
PARENT = f"""
import os, subprocess, sys
from vebi.processes import OWNER, identify
child = subprocess.Popen(
    ["bash", "-c", 'set -e; "$@"; true', "bash", sys.executable, "-c", {CHILD!r}],
    env={{**os.environ, OWNER: identify(os.getpid())}},
)
child.wait()
"""


def test_a_job_ends_with_its_owner_also_with_a_shell_between():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout.readline() == "here\n"
    parent.send_signal(signal.SIGKILL)
    # The child holds the other end of the pipe: its end comes when the child is gone.
    before = time.monotonic()
    assert parent.stdout.read() == ""
    parent.wait()
    assert time.monotonic() - before < 30


@pytest.mark.parametrize("owner", ["", "1 2 pid:[1]", "nonsense"])
def test_without_an_owner_here_nothing_is_watched(owner):
    code = "import time; from vebi.processes import die_with_owner; die_with_owner(0.01); time.sleep(0.1)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, OWNER: owner})


def test_an_owner_that_is_gone_already_ends_the_job():
    gone = subprocess.Popen(["true"])
    owner = identify(os.getpid()).replace(str(os.getpid()), str(gone.pid), 1)
    gone.wait()
    code = (
        "import time; from vebi.processes import die_with_owner; die_with_owner(); time.sleep(60)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env={**os.environ, OWNER: owner}
    )
    assert done.returncode == -signal.SIGKILL


def test_a_process_is_told_from_another_of_the_same_number():
    assert identify(os.getpid()) == identify(os.getpid())
    assert identify(os.getpid()) != identify(os.getppid())
    assert identify(2**22 + 1) == ""
