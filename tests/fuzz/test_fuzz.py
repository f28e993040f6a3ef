"""Some hundred cases of hostile input, the same in every run; `make fuzz` runs an hour of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_hostile_input_is_read_right_or_refused_clearly():
    places = [str(ROOT / "workflow"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--cases", "252"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "252 cases, 0 bad" in done.stdout
