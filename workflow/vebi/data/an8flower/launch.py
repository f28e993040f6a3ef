"""Start the renderer in the environment that has Blender."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vebi.compute.processes import identify
from vebi.io.errors import VebiError
from vebi.io.files import why_unwritable

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
CHUNK_RENDERER = "vebi.data.an8flower.render"
INTERVENTION_RENDERER = "vebi.data.an8flower.intervene"


def get_render_python() -> str:
    """The interpreter that can import bpy.

    $VEBI_RENDER_PYTHON if it is set, else the environment that `make` puts next to the Snakefile, else
    the interpreter that runs this (with conda: the rule's own environment).
    """
    own = PACKAGE_ROOT.parent / ".venv-render" / "bin" / "python"
    return os.environ.get("VEBI_RENDER_PYTHON") or (str(own) if own.is_file() else sys.executable)


def blender_version() -> str:
    """Version of the bpy that the renderer would use.

    Raises:
        VebiError: there is none; the message says what to install.
    """
    python = get_render_python()
    code = "from importlib.metadata import version; print(version('bpy'))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        found = done.stdout.strip()
    except OSError:
        found = ""
    if not found:
        raise VebiError(
            f"{python} has no Blender (the module bpy), which draws the flowers. In a clone of the "
            "repository, `make env` installs it. Elsewhere, make an environment with Python 3.11, "
            'install "bpy==4.5.*" h5py pillow tqdm with its pip, and set VEBI_RENDER_PYTHON to its '
            "interpreter."
        )
    return found


def render(arguments: Sequence[str], log: str | Path, module: str = CHUNK_RENDERER) -> None:
    """Run the command line of one of the renderer's modules; its output goes to `log`.

    Raises VebiError with the end of the log if it fails.
    """
    python = get_render_python()
    command = [python, "-m", module, *arguments, "--owner", identify(os.getpid())]
    try:
        stream = Path(log).open("w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise VebiError(f"{log} can't be written: {why_unwritable(error) or error}.") from error
    with stream, tempfile.TemporaryDirectory(prefix="vebi-path-") as alone:
        # The package and nothing else: next to an installed one there may be a newer numpy.
        (Path(alone) / "vebi").symlink_to(PACKAGE_ROOT / "vebi")
        done = subprocess.run(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": alone},
            check=False,
        )
    if done.returncode:
        lines = Path(log).read_text(encoding="utf-8").strip().splitlines()
        last = lines[-1] if lines else "no output"
        is_disk = "can't be written" in last
        way_out = "" if is_disk else " `make env` makes an environment that has Blender."
        raise VebiError(f"Rendering with {python} failed ({last}); all of it is in {log}.{way_out}")
