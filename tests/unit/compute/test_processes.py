"""Processes that watch the one they work for, killed with it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from vebi.compute.processes import identify

# A child that outlives its parent, unless it watches it: the parent starts it and waits.
CHILD = (
    "from vebi.compute.processes import die_with; import sys, time; die_with(sys.argv[1], 0.05);"
)
CHILD += "print('here', flush=True); time.sleep(60)"
PARENT = f"""
import os, subprocess, sys
from vebi.compute.processes import identify
child = subprocess.Popen(
    ["bash", "-c", 'set -e; "$@"; true', "bash", sys.executable, "-c", {CHILD!r}, identify(os.getpid())],
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
    code = f"import time; from vebi.compute.processes import die_with; die_with({owner!r}, 0.01);"
    subprocess.run([sys.executable, "-c", f"{code} time.sleep(0.1)"], check=True)


def test_an_owner_that_is_gone_already_ends_the_job():
    gone = subprocess.Popen(["true"])
    owner = identify(os.getpid()).replace(str(os.getpid()), str(gone.pid), 1)
    gone.wait()
    code = f"import time; from vebi.compute.processes import die_with; die_with({owner!r});"
    done = subprocess.run([sys.executable, "-c", f"{code} time.sleep(60)"], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_process_is_told_from_another_of_the_same_number():
    assert identify(os.getpid()) == identify(os.getpid())
    assert identify(os.getpid()) != identify(os.getppid())
    assert identify(2**22 + 1) == ""
