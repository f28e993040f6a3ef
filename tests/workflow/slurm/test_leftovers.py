"""What a killed run of these tests leaves behind is removed, a Slurm in use is not."""

import subprocess
import sys
import tempfile

import pytest
from tests.workflow.slurm.cluster import MARK, PREFIX, remove_what_a_killed_run_left

HOLD = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def link(tmp_path, monkeypatch):
    """A link to the configuration of a cluster in its folder, as it stands while tests run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"{PREFIX}one"
    folder.mkdir()
    config = folder / "slurm.conf"
    config.write_text(f"{MARK}ClusterName=vebi\n")
    link = tmp_path / "etc.conf"
    link.symlink_to(config)
    return link


def test_a_killed_runs_link_folder_and_daemons_go(link):
    folder = link.resolve().parent
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    daemon = subprocess.Popen([*wait, f"--socket={folder}/munge"], stdin=subprocess.PIPE)
    job = subprocess.Popen(wait, stdin=subprocess.PIPE, env={"SLURM_CONF": f"{folder}/slurm.conf"})
    other = subprocess.Popen([*wait, f"--socket={folder}-two/munge"], stdin=subprocess.PIPE)
    try:
        remove_what_a_killed_run_left(link)
        assert daemon.wait(10) == job.wait(10) == -9
        assert other.poll() is None
    finally:
        for process in (daemon, job, other):
            process.kill()
            process.communicate()
    assert not link.is_symlink()
    assert not folder.exists()


def test_a_dangling_link_goes(link):
    link.resolve().unlink()
    remove_what_a_killed_run_left(link)
    assert not link.is_symlink()


def test_a_run_that_goes_on_keeps_its_own(link):
    command = [sys.executable, "-c", HOLD, str(link)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(RuntimeError, match="another run of these tests"):
            remove_what_a_killed_run_left(link)
        assert link.exists()
        holder.kill()
    remove_what_a_killed_run_left(link)
    assert not link.is_symlink()


@pytest.mark.parametrize("what", ["no mark", "elsewhere", "a file"])
def test_anothers_slurm_is_left_alone(link, tmp_path, what):
    config = link.resolve()
    if what == "no mark":
        config.write_text("ClusterName=theirs\n")
    else:
        link.unlink()
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        config = config.rename(theirs / "slurm.conf")
        if what == "elsewhere":
            link.symlink_to(config)
        else:
            link.write_text(config.read_text())
    with pytest.raises(RuntimeError, match="not ours"):
        remove_what_a_killed_run_left(link)
    assert link.exists()
    assert config.exists()
