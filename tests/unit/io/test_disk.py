"""Disks that are really full or read-only: small file systems in a mount namespace of the test's own."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from vebi.io.hdf5 import create_hdf5

PREFIX = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(
        [*PREFIX, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode
    == 0
)
needs_mount = pytest.mark.skipif(not CAN_MOUNT, reason="this container allows no mount")

SETUP = """
import os, sys
from pathlib import Path
import numpy as np
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5
target = Path(sys.argv[1]) / "out"
rows = np.random.default_rng(0).integers(0, 256, (3000, 1000), dtype=np.uint8)
def write():
"""
END = """
try:
    write()
except VebiError as error:
    print(error)
else:
    print("no error")
print(os.listdir(sys.argv[1]))
"""
WRITERS = {
    "hdf5 contiguous": "with create_hdf5(target) as f: f['x'] = rows",
    "hdf5 in chunks": (
        "with create_hdf5(target) as f:\n"
        " x = f.create_dataset('x', rows.shape, 'u1', chunks=(1, 1000), compression='gzip')\n"
        " for i, row in enumerate(rows): x[i] = row"
    ),
    # Errors of h5py are lost where an array is closed, and with plain HDF5 the process dies here.
    "hdf5 of many small arrays": (
        "with create_hdf5(target) as f:\n for i in range(3000): f[f'x{i}'] = rows[i]"
    ),
    "data set": (
        "from vebi.data.dataset import Images, write_dataset\n"
        "n = np.zeros(300, np.int64)\n"
        "write_dataset(target, Images(rows.reshape(300, 100, 100, 1), n, n, ['a']))"
    ),
    "png": (
        "from matplotlib.figure import Figure\nfrom vebi.figures.style import save\n"
        "figure = Figure((12, 12))\nfigure.add_subplot().imshow(rows)\n"
        "save(figure, target.with_suffix('.png'))"
    ),
    "text": "from vebi.io.files import write_text\nwrite_text(target, 'x' * 3000000)",
    "model": (
        "from vebi.models.nets import NetSpec, build\nfrom vebi.models.model_file import save_model\n"
        "spec = NetSpec('matconvnet', (1, 28, 28), 10, 1.0)\n"
        "save_model(target, build(spec, 0), spec, ['a'])"
    ),
}


def run_in(options, writer, tmp_path):
    code = SETUP + "".join(f"    {line}\n" for line in writer.splitlines()) + END
    script = 'mount -t tmpfs -o "$1" tmpfs "$2" && exec "$3" -c "$4" "$2"'
    done = subprocess.run(
        [*PREFIX, "bash", "-c", script, "bash", options, tmp_path, sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs_mount
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_clear_error_and_leaves_no_file(name, tmp_path):
    error, left = run_in("size=1m", WRITERS[name], tmp_path)
    assert error.startswith(f"{tmp_path}/out")
    assert error.endswith("can't be written: the disk is full; make room and run again.")
    assert left == "[]"


@needs_mount
@pytest.mark.parametrize("name", ["hdf5 contiguous", "png", "text"])
def test_a_read_only_folder_is_one_clear_error(name, tmp_path):
    error, left = run_in("ro", WRITERS[name], tmp_path)
    assert error.endswith(
        "can't be written: the file system is read-only; write elsewhere, or mount it for writing."
    )
    assert left == "[]"


def test_a_new_hdf5_file_holds_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 20, 20), dtype=np.uint8)
    with create_hdf5(tmp_path / "a.h5") as file:
        chunked = file.create_dataset(
            "chunked", images.shape, "u1", chunks=(1, 20, 20), compression=1
        )
        for row in rng.permutation(50):
            chunked[row] = images[row]
        file["plain"] = images
        file["plain"][10:20] = 0
        file.create_dataset("texts", data=["a", "µ" * 500], dtype=h5py.string_dtype())
        file.attrs["classes"] = ["x", "y"]
        # What is read back while it is written is what was written.
        assert np.array_equal(chunked[:], images)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["chunked"][:], images)
        assert np.array_equal(file["plain"][20:], images[20:])
        assert not file["plain"][10:20].any()
        assert file["texts"].asstr()[1] == "µ" * 500
        assert list(file.attrs["classes"]) == ["x", "y"]
    before = (tmp_path / "a.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as old, create_hdf5(tmp_path / "b.h5") as new:
        old.copy("chunked", new)
    with pytest.raises(ZeroDivisionError), create_hdf5(tmp_path / "a.h5") as file:
        file["x"] = 1 / 0
    assert (tmp_path / "a.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]
