"""The rendered flowers as a data set for anyone's training loop.

Works from a folder that `vebi flowers` has made, in any of its formats; needs neither Blender nor
torchvision, whose data sets it behaves like.
"""

import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vebi.data.an8flower.parts import masks_of_map, part_map
from vebi.data.an8flower.scene import Scene, get_flower_set
from vebi.io.arrays import AnyArray
from vebi.io.errors import VebiError
from vebi.io.files import parse_json
from vebi.io.hdf5 import open_hdf5

SPLITS = ("train", "test", "all")
# Files of a published set; `write_version` and `an8flower.publish` write them.
VERSION_FILE, LABELS_FILE, SCENES_FILE = "version.json", "labels.csv", "scenes.jsonl"
ARRAYS_FILE = "dataset.h5"
FOLDERS = {"image": "images", "parts": "parts", "mask": "masks"}


class Flowers:
    """Images of a flower set with their labels, and masks of every part on request.

    `flowers[i]` is `(image, target)`, or `(image, target, mask)` with `masks=True`: a PIL image, or
    what `transform` makes of it; the label, or what `target_transform` makes of it; bool (H, W), the
    pixels of the part that carries the class. It can be given to a torch `DataLoader` as it is.

    Attributes: `classes` (names in label order), `class_to_idx`, `targets` int64 (n), `base_scenes`
    int64 (n) (images that show one base scene are not independent evidence), `version` (the checksum of
    all images, masks, labels and splits that names the version), `part_names`.

    Args:
        root: the folder that was `vebi flowers --out`.
        set: name of the flower set, such as `double-12c`.
        split: `train`, `test` or `all`.
        transform: called with the PIL image.
        target_transform: called with the label.
        masks: give a third value, the mask.
        download: there is no published archive yet; True raises an error that says what to do.

    Raises:
        VebiError: no such set or split, or nothing of it below `root`.
    """

    def __init__(
        self,
        root: str | Path,
        set: str = "double-12c",
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        masks: bool = False,
        download: bool = False,
    ) -> None:
        self.set = set
        self.classes = get_flower_set(set).classes
        way_out = f"Render it: `vebi flowers --set {set} --images 1800 --out {root}`."
        if download:
            raise VebiError(f"there is no published archive of the flowers yet. {way_out}")
        if split not in SPLITS:
            raise VebiError(f"split is '{split}', expected one of {', '.join(SPLITS)}.")
        self.folder = Path(root) / set
        if not (self.folder / VERSION_FILE).is_file():
            raise VebiError(f"{self.folder} holds no flower set. {way_out}")
        self.split, self.transform, self.target_transform = split, transform, target_transform
        self.masks = masks
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        about = parse_json((self.folder / VERSION_FILE).read_bytes())
        self.version = str(about["version"])
        self.part_names = tuple(about["part_names"])
        with (self.folder / LABELS_FILE).open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if split in ("all", row["split"])]
        self.rows = np.array([int(row["index"]) for row in rows], np.int64)
        self.targets = np.array([int(row["label"]) for row in rows], np.int64)
        self.base_scenes = np.array([int(row["base_scene"]) for row in rows], np.int64)
        self.is_test = np.array([row["split"] == "test" for row in rows], bool)
        self._file: tuple[int, h5py.File] | None = None
        self._scenes: list[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        image: Any = Image.fromarray(self._read("image", i))
        target: Any = int(self.targets[i])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return (image, target, self.mask(i)) if self.masks else (image, target)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Flowers({self.set}, {self.split}: {len(self)} images, {self.version[:12]})"

    def __getstate__(self) -> dict[str, Any]:
        # A worker process opens the file itself.
        return {**self.__dict__, "_file": None}

    def image(self, i: int) -> NDArray[np.uint8]:
        """Pixels uint8 (H, W, 3) of an image, whatever the transform."""
        return self._read("image", i)

    def mask(self, i: int) -> NDArray[np.bool_]:
        """bool (H, W): the pixels of the part that carries the class."""
        return self._read("mask", i)

    def part_masks(self, i: int) -> dict[str, NDArray[np.bool_]]:
        """bool (H, W) of every part that images of the set can show. Each pixel is in one of them."""
        return masks_of_map(self._read("parts", i), self.set)

    def scene(self, i: int) -> Scene:
        """Every parameter that the image was drawn from."""
        if self._scenes is None:
            text = (self.folder / SCENES_FILE).read_text(encoding="utf-8")
            self._scenes = text.splitlines()
        return Scene.from_json(self._scenes[self.rows[i]])

    def verify(self) -> None:
        """Compare the files with the version's checksum.

        Raises:
            VebiError: they hold something else.
        """
        whole = self if self.split == "all" else Flowers(self.folder.parent, self.set, "all")
        if (found := checksum(whole)) != self.version:
            raise VebiError(
                f"{self.folder} has the checksum {found}, but {VERSION_FILE} says {self.version}: "
                "a file is damaged or was changed. Make the set again."
            )

    def _read(self, what: str, i: int) -> AnyArray:
        """`image` uint8 (H, W, 3), `parts` uint8 (H, W) with shadow, or `mask` bool (H, W)."""
        row = int(self.rows[i])
        folder = self.folder / FOLDERS[what]
        if folder.is_dir():
            with Image.open(folder / f"{row:06d}.png") as image:
                pixels = np.array(image)
            return pixels > 0 if what == "mask" else pixels
        if self._file is None or self._file[0] != os.getpid():
            self._file = (os.getpid(), open_hdf5(self.folder / ARRAYS_FILE, "a flower set"))
        file = self._file[1]
        if what == "parts":
            return part_map(file["parts"][row], file["shadows"][row])
        return file["images" if what == "image" else "masks"][row]


def checksum(flowers: Flowers) -> str:
    """SHA-256 in hex over all images, masks, labels, splits and scenes, whatever the files' format."""
    digest = hashlib.sha256()
    for i in range(len(flowers)):
        facts = [int(flowers.targets[i]), int(flowers.base_scenes[i]), int(flowers.is_test[i])]
        digest.update(f"{facts} {flowers.scene(i).to_json()}\n".encode())
        for what in FOLDERS:
            digest.update(np.ascontiguousarray(flowers._read(what, i)).tobytes())
    return digest.hexdigest()
