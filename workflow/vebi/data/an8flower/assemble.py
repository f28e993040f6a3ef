"""Join the rendered chunks to one data set file."""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.data.an8flower.scene import get_flower_set, split_of_base
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5


def assemble(
    chunk_paths: Sequence[str | Path],
    out: str | Path,
    flower_set: str,
    n_folds: int = 5,
    fold: int = 0,
) -> None:
    """Write the data set file `out` from chunks that together hold the images 0 to N - 1.

    The split is by base scene (`split_of_base`). Memory holds one chunk's pixels at a time. Besides the
    arrays of every data set file there are `masks` bool, `parts` uint8, `shadows` bool and, with
    distractors, `distractor_masks` bool, all (N, H, W), `base_scene` int64 (N) and `parameters`, JSON of
    each scene.

    Raises VebiError, naming the chunk's file, when a chunk is of another set or size or can't be read,
    and when images are missing or there twice.
    """
    chosen = get_flower_set(flower_set)
    chunks = sorted(_read_index(Path(path), flower_set) for path in chunk_paths)
    if not chunks:
        raise VebiError(f"no chunks of {flower_set} were given: nothing to assemble.")
    expected = _count_images(chunks)
    planes = ["images", "masks", "parts", "shadows"] + ["distractor_masks"] * chosen.distractors
    columns: dict[str, list[NDArray[np.generic]]] = {
        "labels": [],
        "base_scene": [],
        "parameters": [],
    }
    with create_hdf5(out) as file:
        for start, stop, path in chunks:
            with open_hdf5(path) as chunk:
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


def assemble_interventions(
    chunk_paths: Sequence[str | Path], out: str | Path, flower_set: str
) -> None:
    """Write the interventions of all chunks to one file in their format (`intervene`), by index.

    Memory holds one image's interventions at a time.

    Args:
        chunk_paths: files of `intervene.render_interventions`, in any order.
        out: the file to write.
        flower_set: the set that they must be of.

    Raises:
        VebiError: a chunk of another set, size or list of changes, or an image that is there twice.
    """
    rows: list[tuple[int, Path, int]] = []
    for path in map(Path, chunk_paths):
        with open_hdf5(path, "a chunk of interventions") as chunk:
            found = str(chunk.attrs.get("flower_set", "no set"))
            if found != flower_set or "applies" not in chunk:
                raise VebiError(
                    f"{path} holds images of {found}, expected interventions on {flower_set}."
                )
            rows += [(int(index), path, row) for row, index in enumerate(chunk["index"][:])]
    if not rows:
        raise VebiError(f"no interventions on {flower_set} were given: nothing to assemble.")
    rows.sort()
    for (index, before, _), (following, path, _) in itertools.pairwise(rows):
        if index == following:
            raise VebiError(
                f"image {index} is in {before} and in {path}. Delete the chunk that is wrong."
            )
    with create_hdf5(out) as file, contextlib.ExitStack() as stack:
        chunks = {
            path: stack.enter_context(open_hdf5(path))
            for path in dict.fromkeys(path for _, path, _ in rows)
        }
        first = chunks[rows[0][1]]
        for path, chunk in chunks.items():
            _check_alike(path, chunk, rows[0][1], first)
        for name in first:
            if first[name].chunks:
                _create_like(file, first[name], len(rows))
                for k, (_, path, row) in enumerate(rows):
                    file[name][k] = chunks[path][name][row]
            else:
                values = np.array([chunks[path][name][row] for _, path, row in rows])
                file.create_dataset(name, data=values, dtype=first[name].dtype)
        for key, value in first.attrs.items():
            file.attrs[key] = value


def _check_alike(path: Path, chunk: h5py.File, first_path: Path, first: h5py.File) -> None:
    for name in first:
        shapes = [file[name].shape[1:] if name in file else None for file in (chunk, first)]
        if shapes[0] != shapes[1]:
            raise VebiError(
                f"{path}: {name} are {shapes[0]}, but in {first_path} {shapes[1]}. Render all chunks "
                "with one size and one version."
            )
    for key in ("change_parts", "change_kinds"):
        if list(chunk.attrs[key]) != list(first.attrs[key]):
            raise VebiError(f"{path} and {first_path} hold other changes. Render them again.")


def _count_images(chunks: Sequence[tuple[int, int, Path]]) -> int:
    """Images of all chunks, which must be consecutive."""
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
    return expected


def _read_index(path: Path, flower_set: str) -> tuple[int, int, Path]:
    """First image, one past the last image, and the path of a chunk, checked."""
    try:
        with open_hdf5(path) as file:
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
