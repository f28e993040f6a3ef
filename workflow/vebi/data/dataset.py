"""The data set file `dataset.h5`, in its two forms.

Both hold `labels` int64 (N), `split` int64 (N) with 0 train and 1 test, and the attribute `classes`
(names). Further per-image arrays are allowed.
- With pixels: `images` uint8 (N, H, W, C), optional `masks` bool (N, H, W).
- An index of image files, whose pixels stay where they are: `file` (N) UTF-8, path below the folder
  that the attribute `root` names; `file_bytes` int64 (N); `file_size` int64 (N, 2) height and width
  when upright; optional `mask_file` (N) and `mask_bytes` (N); `skipped_file`, `skipped_reason` for files
  left out; attributes `class_ids`, `shape`, `resize`, `first_size` (0: none), `max_pixels`, and
  `digest`, the SHA-256 over all paths and bytes.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from vebi.data.decoding import Decoding, read_mask, read_pixels
from vebi.data.roots import check_inside, find_root
from vebi.io.arrays import AnyArray
from vebi.io.errors import VebiError
from vebi.io.hdf5 import (
    BROKEN,
    check_form,
    create_hdf5,
    get_array,
    open_hdf5,
    read_array,
    read_rows_at,
    read_text_attribute,
)

TRAIN, TEST = 0, 1
DECODED = ("images", "masks")
MOST_PIXELS, MOST_CHANNELS = 80_000_000, 64


def n_decoders() -> int:
    """Threads that decode images; what they return does not depend on their number."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, usable or 1)


@dataclass(frozen=True)
class ImageFiles:
    """Where the pixels of an index are, and how they become arrays."""

    index: Path
    root: str
    decoding: Decoding

    @cached_property
    def folder(self) -> Path:
        """The folder of the images; raises VebiError if it is not there."""
        return find_root(self.root)

    @cached_property
    def columns(self) -> dict[str, AnyArray]:
        """Paths and bytes of all files."""
        # Names of ImageNet's 1.3 million files are 60 MB; reading them row by row is what is slow.
        with open_hdf5(self.index) as file:
            keys = ("file", "file_bytes", "mask_file", "mask_bytes")
            return {key: file[key][:] for key in keys if key in file}

    def read(self, key: str, row: int) -> AnyArray:
        """Pixels (H, W, C) uint8 or mask (H, W) bool of one image."""
        name, size = ("file", "file_bytes") if key == "images" else ("mask_file", "mask_bytes")
        file = self.columns[name][row].decode("utf-8")
        n_bytes = int(self.columns[size][row])
        read = read_pixels if key == "images" else read_mask
        return read(self.folder / check_inside(file, str(self.index)), self.decoding, n_bytes)


@dataclass(frozen=True)
class Dataset:
    """Everything of a data set file but its images, which are read in batches.

    `labels` and `split` int64 (N); `classes` the names in label order; `class_ids` what the classes
    are called where the images come from (ImageNet: wnids); `image_shape` (H, W, C). `files` is set
    where the pixels are not in the data set file itself.
    """

    path: Path
    labels: NDArray[np.int64]
    split: NDArray[np.int64]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    has_masks: bool
    class_ids: tuple[str, ...] = ()
    files: ImageFiles | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, split: int) -> NDArray[np.int64]:
        """Positions of the images of a split, ascending."""
        return np.flatnonzero(self.split == split)

    def batches(
        self, indices: NDArray[np.integer], batch_size: int, key: str = "images"
    ) -> Iterator[tuple[NDArray[np.int64], AnyArray]]:
        """Rows of an array, some at a time.

        Two batches are in memory at most. Ascending indices are fastest where the pixels are in the file;
        where they are in image files the next batch is decoded while this one is used.

        Args:
            indices: positions of images (n), in any order.
            batch_size: rows at a time.
            key: which array of the file.

        Yields:
            The indices of a batch, and its rows.

        Raises:
            VebiError: no such array or image, or one that can't be read.
        """
        rows = self._checked(indices)
        if self.files is not None and key in DECODED:
            yield from self._decoded(self.files, rows, batch_size, key)
            return
        with open_hdf5(self.path) as file:
            array = self._array(file, key)
            for start in range(0, len(rows), batch_size):
                chosen = rows[start : start + batch_size]
                yield chosen, read_rows_at(array, chosen)

    def images_at(self, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The images at some positions, in any order: uint8 (n, H, W, C)."""
        return self.read("images", indices)

    def read(self, key: str, indices: NDArray[np.integer] | None = None) -> AnyArray:
        """Read one per-image array whole, or its rows at `indices`, in any order.

        It is held in memory: images of a whole data set are better taken from `batches`.
        """
        if self.files is not None and key in DECODED:
            indices = np.arange(len(self)) if indices is None else self._checked(indices)
            if key == "masks":
                self._require_masks()
            shape = self.image_shape if key == "images" else self.image_shape[:2]
            result = np.empty((len(indices), *shape), np.uint8 if key == "images" else bool)
            start = 0
            for chosen, rows in self.batches(indices, 64, key):
                result[start : start + len(chosen)] = rows
                start += len(chosen)
            return result
        with open_hdf5(self.path) as file:
            array = self._array(file, key)
            return array[:] if indices is None else read_rows_at(array, self._checked(indices))

    def _decoded(
        self, files: ImageFiles, indices: NDArray[np.int64], batch_size: int, key: str
    ) -> Iterator[tuple[NDArray[np.int64], AnyArray]]:
        if key == "masks":
            self._require_masks()
        # Found and read here, once, and not by every thread.
        _ = files.folder, files.columns
        pool = ThreadPoolExecutor(min(n_decoders(), max(1, len(indices))))
        try:

            def start_batch(
                start: int,
            ) -> tuple[NDArray[np.int64], list[Future[AnyArray]]]:
                chosen = indices[start : start + batch_size]
                return chosen, [pool.submit(files.read, key, int(row)) for row in chosen]

            ahead = start_batch(0) if len(indices) else None
            for start in range(batch_size, len(indices) + batch_size, batch_size):
                assert ahead is not None
                chosen, pending = ahead
                ahead = start_batch(start) if start < len(indices) else None
                yield chosen, np.stack([future.result() for future in pending])
        finally:
            pool.shutdown(cancel_futures=True)

    def _checked(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        found = np.asarray(indices, np.int64)
        if len(found) and not 0 <= found.min() <= found.max() < len(self):
            raise VebiError(
                f"{self.path} has images 0 to {len(self) - 1}, but number "
                f"{found.min() if found.min() < 0 else found.max()} was asked for."
            )
        return found

    def _require_masks(self) -> None:
        if not self.has_masks:
            raise VebiError(f"{self.path} has no masks: give its data set the key `masks`.")

    def _array(self, file: h5py.File, key: str) -> h5py.Dataset:
        if key not in file:
            raise VebiError(f"{self.path} has no array '{key}': it holds {', '.join(file)}.")
        return file[key]


def open_dataset(path: str | Path) -> Dataset:
    """Read and check a data set file's index (shapes, label range, splits), not its images.

    Raises:
        VebiError: another file, or one whose parts do not fit together.
    """
    path = Path(path)
    with open_hdf5(path, "a data set file") as file:
        key = "file" if "file" in file and "images" not in file else "images"
        missing = [name for name in (key, "labels", "split") if name not in file]
        if missing:
            raise VebiError(f"{path} lacks {', '.join(missing)}: it is not a data set file.")
        first = get_array(file, key)
        n, *shape = first.shape or (0,)
        try:
            classes = read_text_attribute(file, "classes")
            if not classes:
                raise ValueError("it names no classes")
            class_ids = read_text_attribute(file, "class_ids") or classes
            files = _image_files(path, file) if key == "file" else None
        except BROKEN as error:
            raise VebiError(
                f"{path} can't be read as a data set ({error}). Delete it and run again to rebuild it."
            ) from error
        if files is not None:
            shape = [*files.decoding.shape] if not shape else []
        lengths = [get_array(file, name).shape for name in ("labels", "split")]
        if len(shape) != 3 or lengths != [(n,), (n,)]:
            raise VebiError(
                f"{path}: {'images' if files is None else 'files'} {(n, *shape)}, labels {lengths[0]} "
                f"and split {lengths[1]} do not describe the same images (expected (N, H, W, C), (N), "
                "(N))."
            )
        height, width, channels = shape
        labels, split = (
            read_array(file, name, (n,), "iu").astype(np.int64) for name in ("labels", "split")
        )
        if files is not None:
            _check_index(path, file, n)
        else:
            _check_pixels(path, first)
            for name in ("masks", "distractor_masks"):
                if name in file:
                    check_form(str(path), name, get_array(file, name), (n, height, width), "b")
        has_masks = ("masks" if files is None else "mask_file") in file
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise VebiError(f"{path}: labels reach {bad}, but there are {len(classes)} classes.")
    if not np.isin(split, (TRAIN, TEST)).all():
        bad = split[~np.isin(split, (TRAIN, TEST))][0]
        raise VebiError(f"{path}: split has {bad}; expected {TRAIN} (training) and {TEST} (test).")
    return Dataset(
        path, labels, split, classes, (height, width, channels), has_masks, class_ids, files
    )


def _check_pixels(path: Path, images: h5py.Dataset) -> None:
    _, height, width, channels = images.shape
    if images.dtype != np.uint8:
        raise VebiError(f"{path}: images are {images.dtype}; expected uint8, from 0 to 255.")
    if not (0 < height * width <= MOST_PIXELS and 0 < channels <= MOST_CHANNELS):
        raise VebiError(
            f"{path}: images of {height} x {width} pixels and {channels} channels; expected up to "
            f"{MOST_PIXELS / 1e6:g} megapixels and {MOST_CHANNELS} channels, and at least one."
        )


def _check_index(path: Path, file: h5py.File, n: int) -> None:
    for name, sizes in (("file", "file_bytes"), ("mask_file", "mask_bytes")):
        if name not in file:
            continue
        data = get_array(file, name)
        if data.shape != (n,) or h5py.check_string_dtype(data.dtype) is None:
            raise VebiError(
                f"{path}: {name} must be a path for each of {n} images, not {data.dtype} of shape "
                f"{data.shape}."
            )
        check_form(str(path), sizes, get_array(file, sizes), (n,), "iu")


def _image_files(path: Path, file: h5py.File) -> ImageFiles:
    size, _, channels = (int(value) for value in file.attrs["shape"])
    resize = str(file.attrs["resize"])
    if resize not in ("squash", "crop"):
        raise ValueError(f"resize is '{resize}'")
    return ImageFiles(
        path,
        str(file.attrs["root"]),
        Decoding(
            size,
            channels,
            "crop" if resize == "crop" else "squash",
            int(file.attrs["first_size"]) or None,
            int(file.attrs["max_pixels"]),
        ),
    )


def open_datasets(paths: Iterable[str | Path], names: Iterable[str]) -> dict[str, Dataset]:
    """The data sets of several files by name, both in one order."""
    return {name: open_dataset(path) for name, path in zip(names, paths, strict=True)}


@dataclass(frozen=True)
class Images:
    """A small data set in memory, on its way to a file. Shapes as in the module's docstring."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    split: NDArray[np.int64]
    classes: Sequence[str]
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_dataset(path: str | Path, data: Images) -> None:
    """Write `data` atomically."""
    with create_hdf5(path) as file:
        file.create_dataset("images", data=data.images, chunks=(1, *data.images.shape[1:]))
        file["labels"] = data.labels.astype(np.int64)
        file["split"] = data.split.astype(np.int64)
        for key, values in data.extra.items():
            file[key] = values
        file.attrs["classes"] = list(data.classes)


class Batch(NamedTuple):
    """Some images of a data set with their labels and splits. Shapes as in the module's docstring."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    split: NDArray[np.int64]


def write_batches(
    path: str | Path,
    batches: Iterable[Batch],
    shape: tuple[int, int, int],
    classes: Sequence[str],
    class_ids: Sequence[str],
) -> None:
    """Write a data set of any size atomically, a batch at a time; `shape` (H, W, C) of its images."""
    labels, splits, n = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    with create_hdf5(path) as file:
        images = file.create_dataset(
            "images", (0, *shape), np.uint8, maxshape=(None, *shape), chunks=(1, *shape)
        )
        for batch in batches:
            images.resize(n + len(batch.images), axis=0)
            images[n:] = batch.images
            n += len(batch.images)
            labels.append(batch.labels)
            splits.append(batch.split)
        file["labels"] = np.concatenate(labels).astype(np.int64)
        file["split"] = np.concatenate(splits).astype(np.int64)
        file.attrs["classes"] = list(classes)
        file.attrs["class_ids"] = list(class_ids)


@dataclass(frozen=True)
class ImageIndex:
    """An index of image files on its way to a file; `skipped` maps files left out to their defect."""

    root: str
    files: Sequence[str]
    n_bytes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]
    split: NDArray[np.int64]
    classes: Sequence[str]
    class_ids: Sequence[str]
    decoding: Decoding
    mask_files: Sequence[str] | None = None
    mask_bytes: NDArray[np.int64] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def write_index(path: str | Path, index: ImageIndex) -> None:
    """Write an index atomically; what is in it does not depend on where the folder lies."""
    digest = hashlib.sha256()
    for file, n_bytes in zip(index.files, index.n_bytes, strict=True):
        digest.update(f"{file}\0{n_bytes}\0".encode())
    with create_hdf5(path) as target:
        _write_texts(target, "file", index.files)
        target["file_bytes"], target["file_size"] = index.n_bytes, index.sizes
        target["labels"] = index.labels.astype(np.int64)
        target["split"] = index.split.astype(np.int64)
        if index.mask_files is not None:
            _write_texts(target, "mask_file", index.mask_files)
            target["mask_bytes"] = index.mask_bytes
        _write_texts(target, "skipped_file", list(index.skipped))
        _write_texts(target, "skipped_reason", list(index.skipped.values()))
        target.attrs["classes"] = list(index.classes)
        target.attrs["class_ids"] = list(index.class_ids)
        target.attrs["root"] = index.root
        target.attrs["shape"] = index.decoding.shape
        target.attrs["resize"] = index.decoding.resize
        target.attrs["first_size"] = index.decoding.first_size or 0
        target.attrs["max_pixels"] = index.decoding.max_pixels
        target.attrs["digest"] = digest.hexdigest()


def _write_texts(file: h5py.File, key: str, texts: Sequence[str]) -> None:
    """UTF-8 texts of fixed length: one block of the file, read at once."""
    encoded = [text.encode("utf-8") for text in texts]
    length = max(1, *map(len, encoded)) if encoded else 1
    file[key] = np.array(encoded, h5py.string_dtype("utf-8", length))
