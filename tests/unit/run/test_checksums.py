import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vebi.io.errors import VebiError
from vebi.run import checksums
from vebi.run.job import checked_files
from vebi.run.job_context import VARIABLE, JobContext


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "results" / "one"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.bin").write_bytes(bytes(range(256)) * 40)
    return folder


def test_a_whole_file_passes_and_an_unrecorded_one_is_not_checked(run):
    file = run / "data/a.bin"
    checksums.check(file)
    checksums.record([file], run)
    checksums.check(file)
    assert [path.name for path in checksums.recorded_outputs(run)] == ["a.bin"]


def test_the_text_is_what_sha256sum_checks(run):
    checksums.record([run / "data/a.bin"], run)
    text = run / ".checksums/data/a.bin.sha256"
    done = subprocess.run(
        ["sha256sum", "--check", text],
        cwd=run / "data",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a.bin: OK\n"


@pytest.mark.parametrize("place", [0, 1, 5000, 10239])
@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_bit_is_found(run, place, bit):
    file = run / "data/a.bin"
    checksums.record([file], run)
    checksums.check(file)
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    file.write_bytes(content)
    with pytest.raises(
        checksums.DamagedFileError, match=r"a\.bin is damaged: its content has changed"
    ):
        checksums.check(file)


@pytest.mark.parametrize("length", [0, 1, 10239])
def test_a_cut_file_is_found(run, length):
    file = run / "data/a.bin"
    checksums.record([file], run)
    os.truncate(file, length)
    with pytest.raises(checksums.DamagedFileError, match="Delete it and run again"):
        checksums.check(file)


def test_a_folder_is_checked_file_by_file(run):
    folder = run / "data"
    (folder / "b").write_text("b")
    checksums.record([folder], run)
    checksums.check(folder)
    (folder / "b").write_text("c")
    with pytest.raises(checksums.DamagedFileError) as raised:
        checksums.check(folder)
    assert raised.value.path == folder / "b"
    assert raised.value.output == folder


def test_files_of_others_get_no_checksums(run, tmp_path):
    (tmp_path / "mine.h5").write_text("x")
    checksums.record([tmp_path / "mine.h5"], run)
    assert not (run / checksums.FOLDER).exists()


def rule(inputs, outputs):
    return SimpleNamespace(
        input=[str(path) for path in inputs], output=[str(path) for path in outputs]
    )


def test_a_job_refuses_a_damaged_input_and_makes_room_for_a_new_one(run, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    JobContext(runs=(str(run),)).publish()
    source, made = run / "data/a.bin", run / "b.bin"
    with checked_files(rule([], [source])):
        pass
    with checked_files(rule([source], [made])):
        made.write_text("made of a.bin")
    checksums.check(made)
    source.write_bytes(source.read_bytes()[:-1])
    with pytest.raises(VebiError) as raised, checked_files(rule([source], [made])):
        pytest.fail("the job ran")
    assert str(source) in str(raised.value)
    assert "run Snakemake again" in str(raised.value)
    assert not source.exists()
    assert source.with_name("a.bin.broken").is_file()


def test_an_output_that_is_not_finished_has_no_checksum(run, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    JobContext(runs=(str(run),)).publish()
    made = run / "b.bin"
    made.write_text("old")
    checksums.record([made], run)

    def fail():
        with checked_files(rule([], [made])):
            made.write_text("new")
            raise VebiError("cut off")

    with pytest.raises(VebiError):
        fail()
    assert checksums.recorded(made) == []


def test_a_checksum_that_is_damaged_itself_stops_nobody(run):
    file = run / "data/a.bin"
    checksums.record([file], run)
    text = run / ".checksums/data/a.bin.sha256"
    for content in (b"", b"\xff\xfe", b"short  a.bin\n", b"\0" * 80):
        text.write_bytes(content)
        checksums.check(file)


def test_a_check_costs_no_second_reading(run):
    file = run / "data/a.bin"
    checksums.record([file], run)
    code = (
        "import pathlib, sys; from vebi.run import checksums; from vebi.io import files;"
        "n = []; real = checksums.sha256; checksums.sha256 = lambda p: (n.append(p), real(p))[1];"
        "[checksums.check(pathlib.Path(sys.argv[1])) for _ in range(3)]; assert len(n) == 1, n"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(file))], check=True)


@pytest.mark.parametrize("link", [".checksums", ".checksums/data", ".checksums/data/a.bin.sha256"])
def test_a_link_among_the_checksums_is_neither_written_nor_deleted_through(run, tmp_path, link):
    elsewhere = tmp_path / "elsewhere"
    inside = Path("data/a.bin.sha256").relative_to(Path(link).relative_to(".checksums"))
    victim = elsewhere / inside if inside != Path() else elsewhere
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_text("mine")
    (run / link).parent.mkdir(parents=True, exist_ok=True)
    (run / link).symlink_to(elsewhere)
    checksums.forget([run / "data/a.bin"], run)
    with pytest.raises(VebiError, match=f"{link} is a link"):
        checksums.record([run / "data/a.bin"], run)
    assert victim.read_text() == "mine"
    assert (run / link).is_symlink()


def test_a_fifo_in_the_place_of_a_file_or_of_its_checksum_is_not_waited_for(run):
    file = run / "data/a.bin"
    checksums.record([file], run)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(VebiError, match=r"a\.bin: not a regular file"):
        checksums.check(file)
    text = run / ".checksums/data/a.bin.sha256"
    text.unlink()
    os.mkfifo(text)
    assert checksums.recorded(file) == []
