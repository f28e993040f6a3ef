"""What `make` says and does about system packages, on a machine that lacks them."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def bare():
    """A PATH on which no library is known and no Python has venv, and apt only tells what it is asked."""
    # Not pytest's folder: another user can't look into that.
    folder = Path(tempfile.mkdtemp())
    scripts = {"ldconfig": "exit 0", "python3": "exit 1", "apt-get": 'echo "$@" >> "$APT_LOG"'}
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    folder.chmod(0o755)
    yield {"PATH": f"{folder}:/usr/bin:/bin", "APT_LOG": str(folder / "apt.log")}
    shutil.rmtree(folder)


def run(root, environment, *prefix):
    # From a file that everybody may read: another user can't look into this one's home.
    script = f"{environment['PATH'].split(':')[0]}/script.sh"
    shutil.copy(root / "envs/system-packages.sh", script)
    command = [*prefix, "bash", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_else_than_root_gets_the_line_to_run(root, bare):
    done = run(root, bare, "setpriv", "--reuid=65534", "--clear-groups")
    assert done.returncode == 1
    line = done.stderr.splitlines()[1]
    assert line.strip().startswith("sudo sh -c 'apt-get update && apt-get install -y")
    for package in ("python3-venv", "libxrender1", "libgl1"):
        assert package in line
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
def test_root_installs_with_one_line_of_output(root, bare):
    done = run(root, bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "libxkbcommon0" in done.stdout
    with Path(bare["APT_LOG"]).open() as stream:
        assert [line.split()[0] for line in stream] == ["update", "install"]


def test_nothing_missing_says_nothing(root):
    done = subprocess.run(
        ["bash", root / "envs/system-packages.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def pins(lines):
    return {line.strip(" -\n") for line in lines if "==" in line}


@pytest.mark.parametrize(
    ("conda", "pip"), [("torch", "requirements.txt"), ("render", "requirements-render.txt")]
)
def test_conda_and_pip_pin_the_same_versions(root, conda, pip):
    in_conda = pins((root / f"envs/{conda}.yaml").read_text().splitlines())
    in_pip = pins((root / pip).read_text().splitlines())
    # Snakemake runs outside of the rules' environments.
    outside = {pin for pin in in_pip if pin.lower().startswith(("snakemake", "pygments"))}
    assert in_conda == in_pip - outside
    assert len(in_conda) >= 4


def fake_python(folder, name, version):
    """A program that answers as a Python of this version does, and has no pip."""
    path = folder / name
    same = "exit 0" if version == (3, 11) else "exit 1"
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *version_info*) {same};; '
        f"*sys.executable*) echo {path};; *) exit 9;; esac\n"
    )
    path.chmod(0o755)
    return path


def blender_python(root, folder, **variables):
    command = ["/bin/bash", root / "envs/blender-python.sh", folder / "main"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{folder}:/usr/bin:/bin", "PYTHON": str(folder / "python3"), **variables},
    )


def test_blenders_python_is_the_main_one_or_another_on_the_machine(root, tmp_path):
    main = fake_python(tmp_path, "python3", (3, 11))
    assert blender_python(root, tmp_path).stdout.strip() == str(main)
    fake_python(tmp_path, "python3", (3, 13))
    other = fake_python(tmp_path, "python3.11", (3, 11))
    done = blender_python(root, tmp_path)
    assert (done.stdout.strip(), done.stderr) == (str(other), "")


def test_a_python_that_was_named_must_be_the_right_one(root, tmp_path):
    fake_python(tmp_path, "python3", (3, 11))
    wrong = fake_python(tmp_path, "wrong", (3, 12))
    done = blender_python(root, tmp_path, RENDER_PYTHON=str(wrong))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == f"RENDER_PYTHON={wrong} is not Python 3.11."


@pytest.mark.parametrize("can_fetch", [True, False])
def test_uv_fetches_one_or_the_ways_out_are_said(root, tmp_path, can_fetch):
    fake_python(tmp_path, "python3", (3, 13))
    fake_python(tmp_path, "python3.11", (3, 12))
    fetched = fake_python(tmp_path, "fetched", (3, 11))
    state = tmp_path / "installed"
    (tmp_path / "uv").write_text(
        "#!/bin/sh\n"
        f'case "$2" in find) [ -f {state} ] && echo {fetched};; '
        f"install) {'touch ' + str(state) if can_fetch else 'exit 2'};; esac\n"
    )
    (tmp_path / "uv").chmod(0o755)
    done = blender_python(root, tmp_path)
    assert "needs Python 3.11, which this machine lacks: uv fetches it" in done.stderr
    if can_fetch:
        assert (done.returncode, done.stdout.strip()) == (0, str(fetched))
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "make RENDER_PYTHON=/path/to/python3.11" in done.stderr
        assert "make quick" in done.stderr
