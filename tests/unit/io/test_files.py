import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import pytest

from vebi.io.errors import VebiError
from vebi.io.files import atomic_path, sha256, write_text
from vebi.io.hdf5 import create_hdf5


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


def read_in_background(fifo):
    """Start to read a FIFO; returns a function that waits for what was written and gives it."""
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    stream = os.fdopen(handle, "rb")
    found = []

    def read():
        # Until a writer comes, reading gives nothing.
        while not (content := stream.read()):
            pass
        found.append(content)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def result():
        thread.join(30)
        stream.close()
        return found[0]

    return result


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_a_fifo_is_written_into_and_stays(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    text = "whole\n" * 100_000  # more than a pipe holds
    result = read_in_background(tmp_path / "pipe")
    write_text(tmp_path / name, text)
    assert result().decode() == text
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_formats_that_seek_can_be_written_into_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    result = read_in_background(tmp_path / "pipe.h5")
    with create_hdf5(tmp_path / "pipe.h5") as file:
        file["x"] = [1, 2, 3]
    (tmp_path / "copy.h5").write_bytes(result())
    with h5py.File(tmp_path / "copy.h5") as file:
        assert file["x"][:].tolist() == [1, 2, 3]


def test_nothing_of_a_failed_write_reaches_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def fail():
        with atomic_path(tmp_path / "pipe") as temporary:
            temporary.write_text("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert os.read(reader, 9) == b""
    os.close(reader)


def test_a_fifo_without_a_reader_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VebiError, match=r"pipe can't be written: nobody reads from it"):
        write_text(tmp_path / "pipe", "x")
    assert [path.is_fifo() for path in tmp_path.iterdir()] == [True]


def test_a_link_stays_and_leads_to_the_new_file(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.txt").write_text("old")
    for name, to in (("one", "there/a.txt"), ("two", "one"), ("new", "there/b.txt")):
        (tmp_path / name).symlink_to(to)
    write_text(tmp_path / "two", "whole")
    write_text(tmp_path / "new", "other")
    assert (tmp_path / "there/a.txt").read_text() == "whole"
    assert (tmp_path / "there/b.txt").read_text() == "other"
    assert {name: (tmp_path / name).readlink() for name in ("one", "two", "new")} == {
        "one": Path("there/a.txt"),
        "two": Path("one"),
        "new": Path("there/b.txt"),
    }
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["a.txt", "b.txt"]


def test_a_link_in_a_circle_is_refused_and_stays(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(VebiError, match="circle"):
        write_text(tmp_path / "a", "x")
    assert {path.name for path in tmp_path.iterdir() if path.is_symlink()} == {"a", "b"}
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_and_sockets_are_refused(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name in ("folder", "socket"):
            with pytest.raises(VebiError, match=f"{name} is a {name}, where a file"):
                write_text(tmp_path / name, "x")
        assert (tmp_path / "socket").is_socket()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "socket"}


def test_output_redirected_to_a_file_is_no_fifo(tmp_path):
    code = "from vebi.io.files import write_text; write_text('/dev/stdout', 'whole')"
    for name in ("out", "pipe"):
        sink = (tmp_path / name).open("wb") if name == "out" else subprocess.PIPE
        done = subprocess.run([sys.executable, "-c", code], stdout=sink, check=True)
        content = done.stdout if name == "pipe" else (tmp_path / name).read_bytes()
        assert content == b"whole"
