import os
import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_logger_plugin_vebi.configuration_text import (
    end_if_unreadable,
    files_on_command_line,
    find_fault,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ("-n --configfile a.yaml b.yaml --cores 1", ["a.yaml", "b.yaml"]),
        ("--configfiles a.yaml -n x --configfile b.yaml", ["a.yaml", "b.yaml"]),
        ("--configfile=a=b.yaml target", ["a=b.yaml"]),
        ("--configf a.yaml", ["a.yaml"]),
        ("--config run=x --cores 1 target", []),
        ("--configfile a.yaml -- target", ["a.yaml"]),
        ("", []),
    ],
)
def test_files_are_those_of_the_command_line(arguments, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(files_on_command_line(arguments.split())) == files


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"run: a\n# one\nname: M\xfcller\n", "line 3: the byte 0xfc is not UTF-8"),
        ("run: Müller\n".encode("utf-16"), "line 1: the byte 0xff is not UTF-8"),
        (b"run: a\nmodels:\n\tnet: {}\n", "line 3: this is not YAML: found character"),
        (b"run: a\nlist: [1,\n", "line 3: this is not YAML"),
        (b"run: \x00\n", "is not YAML: "),
    ],
)
def test_a_fault_is_one_line_with_file_and_line(tmp_path, content, fault):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    said = find_fault(path)
    assert said.startswith(str(path))
    assert fault in said
    assert "\n" not in said
    good = tmp_path / "good.yaml"
    good.write_text("run: Müller\n", encoding="utf-8")
    end_if_unreadable([good])
    with pytest.raises(SystemExit) as caught:
        end_if_unreadable([good, path])
    assert caught.value.code == said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xef\xbb\xbfrun: a\n",  # a mark of UTF-8, which YAML allows
        b'{\n\t"run": "a"\n}\n',  # JSON, which is not YAML: it has tabs
        b"run: a\nrun: b\n",  # the Snakefile says so
        b"a: " + b"[" * 5000 + b"]" * 5000,
        b"__use_yte__: true\n?if True:\n  a: 1\n",
    ],
)
def test_what_snakemake_can_read_has_no_fault(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    assert find_fault(path) is None
    assert find_fault(tmp_path / "absent.yaml") is None


def test_a_pipe_is_left_to_snakemake(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    assert find_fault(tmp_path / "x.yaml") is None


def test_snakemake_itself_ends_in_that_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"run: a\nname: M\xfcller\n")
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{find_fault(path)}\n"


def test_so_it_does_for_the_default_configuration(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_bytes(b"# \xe9\n")
    command = [sys.executable, "-m", "snakemake", "-n", "-s", str(ROOT / "Snakefile")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("config/config.yaml, line 1: the byte 0xe9 is not UTF-8")
    assert len(done.stderr.splitlines()) == 1


def test_only_this_project_s_default_configuration_is_looked_at(tmp_path, monkeypatch):
    """The plugin comes with the package, and so into other projects' environments and programs."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_bytes(b"# \xe9\n")
    (tmp_path / "Snakefile").write_text("rule all:\n")
    monkeypatch.chdir(tmp_path)
    ours = str(ROOT / "Snakefile")
    assert list(files_on_command_line([])) == []
    assert list(files_on_command_line(["-s", "other/Snakefile"])) == []
    for given in (["-s", ours], ["--snakefile", ours, "-n"], [f"--snakefile={ours}"]):
        assert list(files_on_command_line(given)) == ["config/config.yaml"]
    for command in (["-m", "snakemake", "-n"], ["-c", "import snakemake_logger_plugin_vebi"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_program_that_imports_the_plugin_keeps_its_arguments(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"# \xe9\n")
    code = "import snakemake_logger_plugin_vebi"
    command = [sys.executable, "-c", code, "--configfile", str(path)]
    subprocess.run(command, cwd=ROOT, check=True)
