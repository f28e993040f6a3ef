"""The command line as a user meets it: the installed program, real files, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import click
import h5py
import numpy as np
import pytest
import typer.testing
from hypothesis import given
from hypothesis import strategies as st

from vebi.cli import app, here, spread
from vebi.version import __version__


def vebi(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "vebi.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )


@pytest.fixture
def descriptors(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["labels"] = np.arange(90) % 3
        x = rng.random((90, 6)) * 0.1
        x[np.arange(90), np.arange(90) % 3] += 1
        file["X"] = (x / x.sum(1, keepdims=True)).astype(np.float32)
    return tmp_path / "x.h5"


def test_select_needs_only_x_and_labels(descriptors, tmp_path):
    done = vebi("select", descriptors, "--mu", 0.1, 1, 10, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("path.h5", "selection.csv", "selected_features.csv")
    }
    rows = (tmp_path / "out/selection.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["mu", "0.1", "1", "10"]
    with h5py.File(tmp_path / "out/path.h5") as file:
        assert {"class_0", "class_1", "class_2"} <= set(file)
        assert file.attrs["m"] == 6
        assert file["class_0/l1_norm"][0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mu", "0"], "mu = 0"),
        (["--mu", "-1"], "mu = -1"),
        (["--mu", "nan"], "mu = nan"),
        (["--mu", "ten"], "--mu"),
        ([], "--mu"),
        (["--mu", "1", "--scope", "fc"], "fc"),
        (["--mu", "1", "--solver", "magic"], "magic"),
    ],
)
def test_select_explains_what_is_wrong(descriptors, tmp_path, arguments, says):
    done = vebi("select", descriptors, *arguments, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


COMMANDS = cast(click.Group, typer.main.get_command(app)).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_what_a_command_and_each_of_its_options_does(name):
    done = typer.testing.CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: root {name}" in done.output
    command = COMMANDS[name]
    assert len(command.help.split()) > 3
    for parameter in command.params:
        if parameter.name != "help":
            assert len((parameter.help or "").split()) > 1, parameter.name


@pytest.mark.parametrize(
    ("words", "completed"),
    [("vebi ver", ["verify"]), ("vebi diff --js", ["--json"]), ("vebi select --scope c", ["conv"])],
)
def test_the_shell_completes_commands_options_and_choices(words, completed):
    position = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [Path(sys.executable).with_name("vebi")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_VEBI_COMPLETE": "complete_bash", **position},
    )
    assert done.stdout.split() == completed


def test_version():
    done = typer.testing.CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output.strip()) == (0, f"vebi {__version__}")


def test_a_package_that_is_missing_is_named_and_no_defect_of_vebi():
    code = (
        "import sys, vebi.cli, vebi.run.checksums\n"
        "def fail(*_):\n    raise ModuleNotFoundError('none', name='spgl1.core')\n"
        "vebi.run.checksums.check_files = fail\n"
        "sys.argv = ['vebi', 'select', 'x', '--mu', '1', '--out', 'y']\n"
        "vebi.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: the package spgl1 is not installed: pip install spgl1."


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["claims", "RUN", "--json"], ["claims", "RUN", "--json", "-"]),
        (["iou", "--json", "--out", "x"], ["iou", "--json", "-", "--out", "x"]),
        (["iou", "--json", "a.json", "x"], ["iou", "--json", "a.json", "x"]),
        (["diff", "A", "B", "--json", "-"], ["diff", "A", "B", "--json", "-"]),
        # A folder is what the command reads, and no file to write.
        (["claims", "--json", "/"], ["claims", "--json", "-", "/"]),
    ],
)
def test_json_without_a_file_is_printed(given, read):
    assert here(given, "--json") == read


def test_json_holds_what_the_table_shows(descriptors, tmp_path):
    arguments = ("select", descriptors, "--mu", "0.1,10", "--out", tmp_path / "out", "--json")
    printed = json.loads(vebi(*arguments).stdout)
    assert [row["mu"] for row in printed] == [0.1, 10.0]
    lines = (tmp_path / "out/selection.csv").read_text().splitlines()
    assert list(printed[0]) == lines[0].split(",")
    # Gaps far below what a fixed number of decimals would show are kept.
    assert 0 <= printed[0]["relative_gap"] < 1e-8
    done = vebi(*arguments[:-1], "--json", tmp_path / "table.json")
    assert json.loads((tmp_path / "table.json").read_text()) == printed
    assert done.stdout == ""


def test_the_table_of_select_fits_into_80_columns(descriptors, tmp_path):
    code = "import vebi.cli; vebi.cli.main()"
    arguments = (
        "select",
        str(descriptors),
        "--mu",
        "0.1",
        "123456.5",
        "--out",
        str(tmp_path / "o"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    lines = done.stdout.rstrip().splitlines()
    assert max(map(len, lines)) <= 80
    # A row is one line, below a header of several.
    assert [line.split()[:2] for line in lines[-2:]] == [["all", "0.1"], ["all", "123456"]]


def test_iou_of_files(tmp_path):
    masks = np.zeros((3, 4, 4), bool)
    masks[:, :2] = True
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["masks"] = masks
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["heatmaps"] = masks[[2, 0]].astype(np.float32)
        file["image_index"] = [2, 0]
    done = vebi("iou", tmp_path / "maps.h5", tmp_path / "masks.h5", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    # IoU is 1/2 at threshold 0 and 1 at the 100 others; by the trapezoidal rule 1 - 1/400.
    lines = (tmp_path / "out/iou_auc.csv").read_text().splitlines()
    assert lines[1].split(",")[1] == f"{1 - 1 / 400:.6f}"
    assert len((tmp_path / "out/iou_curve.csv").read_text().splitlines()) == 102


@pytest.mark.parametrize(
    ("maps", "index", "says"),
    [
        (np.zeros((2, 4, 5), np.float32), None, "one size"),
        (np.zeros((2, 4, 4), np.float32), None, "as many"),
        (np.zeros((1, 4, 4), np.float32), [7], "reaches 7"),
        (np.zeros((1, 4, 4), np.float32), [-1], "reaches -1"),
        (np.full((1, 4, 4), 2, np.float32), [0], "[0, 1]"),
        (np.zeros((1, 4, 4), np.int64), [0], "int64"),
        (np.zeros((1, 4, 4), np.float32), [0.5], "integer"),
        (np.zeros((0, 4, 4), np.float32), np.zeros(0, int), "no heatmaps"),
    ],
)
def test_iou_refuses_what_does_not_fit(tmp_path, maps, index, says):
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["masks"] = np.ones((3, 4, 4), bool)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["heatmaps"] = maps
        if index is not None:
            file["image_index"] = index
    done = vebi("iou", tmp_path / "maps.h5", tmp_path / "masks.h5")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_are_something_else_are_named(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    done = vebi("iou", tmp_path / "text.h5", tmp_path / "absent.h5")
    assert done.returncode == 2
    assert "text.h5" in done.stderr
    done = vebi("verify", tmp_path)
    assert done.returncode == 2
    assert "manifest" in done.stderr
    done = vebi("explain", "a.png", "--run", tmp_path, "--dataset", "d", "--model", "m")
    assert done.returncode == 2
    assert "manifest" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give either --run"),
        (["--run", "."], "--run needs --dataset and --model"),
        (["--run", ".", "--data", "."], "Give either --run"),
    ],
)
def test_explain_needs_one_network(arguments, says):
    done = vebi("explain", "a.png", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_an_option_with_many_numbers_is_spread(numbers):
    texts = [repr(number) for number in numbers]
    expected = [part for text in texts for part in ("--mu", text)]
    assert spread(["x.h5", "--mu", *texts, "--out", "7"], "--mu") == [
        "x.h5",
        *expected,
        "--out",
        "7",
    ]
    assert spread(["--mu", *texts], "--mu") == expected
    assert spread(["--mu", ",".join(texts), "x.h5"], "--mu") == [*expected, "x.h5"]
    assert spread([f"--mu={','.join(texts)}"], "--mu") == expected
