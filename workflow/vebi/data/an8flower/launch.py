"""Start the renderer in the environment that has Blender."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vebi.compute.processes import identify
from vebi.io.errors import VebiError
from vebi.io.files import why_unwritable

PACKAGE_ROOT = Path(__file__).resolve().parents[3]


def get_render_python() -> str:
    """The interpreter that can import bpy.

    $VEBI_RENDER_PYTHON if it is set, else the environment that `make` puts beside the Snakefile, else
    the interpreter that runs this (with conda: the rule's own environment).
    """
    own = PACKAGE_ROOT.parent / ".venv-render" / "bin" / "python"
    return os.environ.get("VEBI_RENDER_PYTHON") or (str(own) if own.is_file() else sys.executable)


def render(arguments: Sequence[str], log: str | Path) -> None:
    """Run the renderer's command line; its output goes to `log`.

    Raises VebiError with the end of the log if it fails.
    """
    python = get_render_python()
    command = [python, "-m", "vebi.data.an8flower.render", *arguments]
    command += ["--owner", identify(os.getpid())]
    try:
        stream = Path(log).open("w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise VebiError(f"{log} can't be written: {why_unwritable(error) or error}.") from error
    with stream:
        done = subprocess.run(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
            check=False,
        )
    if done.returncode:
        lines = Path(log).read_text(encoding="utf-8").strip().splitlines()
        last = lines[-1] if lines else "no output"
        is_disk = "can't be written" in last
        way_out = "" if is_disk else " `make env` makes an environment that has Blender."
        raise VebiError(f"Rendering with {python} failed ({last}); all of it is in {log}.{way_out}")
