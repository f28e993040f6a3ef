"""Join the rendered chunks to one data set file."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from vebi.data.an8flower.scene import get_flower_set, split_of_base
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5


def assemble(
    chunk_paths: Sequence[str | Path],
    out: str | Path,
    flower_set: str,
    n_folds: int = 5,
    fold: int = 0,
) -> None:
    """Write the data set file `out` from chunks that together hold the images 0 to N - 1.

    The split is by base scene (`split_of_base`). Memory holds one chunk's pixels at a time. Beside the
    arrays of every data set file there are `masks` bool, `parts` uint8, `shadows` bool and, with
    distractors, `distractor_masks` bool, all (N, H, W), `base_scene` int64 (N) and `parameters`, JSON of
    each scene.

    Raises VebiError, naming the chunk's file, when a chunk is of another set or size or can't be read,
    and when images are missing or there twice.
    """
    chosen = get_flower_set(flower_set)
    chunks = sorted(_read_index(Path(path), flower_set) for path in chunk_paths)
    expected, before = 0, ""
    for start, stop, path in chunks:
        if start != expected:
            problem = "are missing" if start > expected else "are there twice"
            after = f" (the chunk before it is {before})" if before else ""
            low, high = min(start, expected), max(start, expected)
            raise VebiError(
                f"{path} starts at image {start}, expected {expected}: images {low} to {high - 1} "
                f"{problem}{after}. Delete the chunk that is wrong and render it again."
            )
        expected, before = stop, str(path)
    if not chunks:
        raise VebiError(f"no chunks of {flower_set} were given: nothing to assemble.")

    planes = ["images", "masks", "parts", "shadows"] + ["distractor_masks"] * chosen.distractors
    columns: dict[str, list[np.ndarray]] = {"labels": [], "base_scene": [], "parameters": []}
    with create_hdf5(out) as file:
        for start, stop, path in chunks:
            with h5py.File(path, "r") as chunk:
                for name in planes:
                    if name not in file:
                        _create_like(file, chunk[name], expected)
                    if chunk[name].shape[1:] != file[name].shape[1:]:
                        raise VebiError(
                            f"{path}: {name} are {chunk[name].shape[1:]}, but in {chunks[0][2]} "
                            f"{file[name].shape[1:]}. Render all chunks with one size."
                        )
                    file[name][start:stop] = chunk[name][:]
                for name, rows in columns.items():
                    rows.append(chunk[name][:])
                part_names = chunk.attrs["part_names"]
        labels = np.concatenate(columns["labels"]).astype(np.int64)
        wrong = np.flatnonzero(labels != np.arange(expected) % len(chosen.classes))
        if len(wrong):
            raise VebiError(f"image {wrong[0]} of {flower_set} has the label {labels[wrong[0]]}.")
        bases = np.concatenate(columns["base_scene"]).astype(np.int64)
        file["labels"] = labels
        file["base_scene"] = bases
        file["split"] = np.array([split_of_base(int(b), n_folds, fold) for b in bases], np.int64)
        file.create_dataset(
            "parameters", data=np.concatenate(columns["parameters"]), dtype=h5py.string_dtype()
        )
        file.attrs["classes"] = list(chosen.classes)
        file.attrs["part_names"] = part_names


def _read_index(path: Path, flower_set: str) -> tuple[int, int, Path]:
    """First image, one past the last image, and the path of a chunk, checked."""
    try:
        with h5py.File(path, "r") as file:
            index, found = file["index"][:], str(file.attrs["flower_set"])
            lengths = {
                name: len(file[name])
                for name in ("images", "masks", "parts", "shadows", "labels", "parameters")
            }
    except (OSError, KeyError) as error:
        raise VebiError(
            f"{path} can't be read as a chunk of images ({error}). Delete it and render it again."
        ) from error
    if found != flower_set:
        raise VebiError(f"{path} holds images of {found}, expected {flower_set}.")
    if not len(index) or (np.diff(index) != 1).any():
        raise VebiError(f"{path}: its image numbers do not count up by one. Render it again.")
    for name, length in lengths.items():
        if length != len(index):
            raise VebiError(
                f"{path} has {length} rows of {name} for {len(index)} images. Render it again."
            )
    return int(index[0]), int(index[-1]) + 1, path


def _create_like(file: h5py.File, source: h5py.Dataset, n: int) -> None:
    file.create_dataset(
        source.name.lstrip("/"),
        (n, *source.shape[1:]),
        source.dtype,
        chunks=source.chunks,
        compression=source.compression,
    )
