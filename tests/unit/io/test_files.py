import os
import platform
import signal
import stat
import subprocess
import sys

import pytest

from vebi.io.files import atomic_path, sha256, write_text


def test_success_leaves_the_target_alone_in_its_folder(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("whole")
        assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]
    assert target.read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


def test_mode_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x\n")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_text_is_utf8_with_lf(tmp_path):
    write_text(tmp_path / "a.txt", "µ\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5\n"


def test_sha256_of_the_standards_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_what_a_killed_process_left_goes_when_the_file_is_written_again(tmp_path):
    code = (
        "import os, signal, sys; from vebi.io.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    target = tmp_path / "a.h5"
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    [left] = tmp_path.iterdir()
    (tmp_path / ".b.h5.part.h5").write_text("another file's")
    alive = tmp_path / f".a.h5.{platform.node()}-{os.getppid()}.x.part.h5"
    alive.write_text("of a process that goes on")
    write_text(target, "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [".b.h5.part.h5", alive.name, "a.h5"]
    )
    assert not left.exists()
