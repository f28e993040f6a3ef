"""A flower set by itself, for people who want the benchmark and not the pipeline: `vebi flowers`.

The folder OUT/SET holds, in every format, `labels.csv` (index, file, label, class, split, base_scene),
`scenes.jsonl` (every parameter of each image, a line of JSON each), `version.json` with the checksum
that names the version, and `README.md`, the card. The pixels are

- hdf5: in `dataset.h5`, the pipeline's own format (`vebi.data.dataset`), with `parts` and `shadows`;
- png: `images/`, `masks/` (what carries the class, black and white) and `parts/` (a number for each
  part, which `version.json` names), one PNG per image;
- coco: as png, and `annotations_train.json` and `annotations_test.json` in COCO's format, one
  annotation with a run-length mask for each part that an image shows.

It renders in chunks that a broken-off run finds again. What is written does not depend on the number of
processes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from tqdm import tqdm

from vebi.config.datasets import An8FlowerConfig
from vebi.data.an8flower.assemble import assemble
from vebi.data.an8flower.card import card
from vebi.data.an8flower.launch import CHUNK_RENDERER, blender_version, render
from vebi.data.an8flower.parts import (
    PART_NUMBERS,
    SHADOW_NUMBER,
    masks_of_map,
    part_map,
    visible_names,
)
from vebi.data.an8flower.scene import get_flower_set
from vebi.data.dataset import TEST, Dataset, open_dataset
from vebi.data.flowers import (
    ARRAYS_FILE,
    FOLDERS,
    LABELS_FILE,
    SCENES_FILE,
    VERSION_FILE,
    Flowers,
    checksum,
)
from vebi.io.errors import VebiError
from vebi.io.files import parse_json, write_text
from vebi.run.code_digest import code_digest

IMAGES_PER_CHUNK = 60


@dataclass(frozen=True)
class FlowerRequest:
    """What decides the bytes of a set: the keys of `config.datasets.An8FlowerConfig`, and a seed."""

    flower_set: str
    images: int
    seed: int = 0
    size: int = 112
    samples: int = 6
    views_per_base: int = 5
    folds: int = 5
    fold: int = 0

    def check(self) -> None:
        """Raise VebiError where a value is not allowed."""
        get_flower_set(self.flower_set)
        values = asdict(self)
        if not 0 <= values.pop("seed") < 2**31:
            raise VebiError(f"seed is {self.seed}, expected a whole number from 0 to {2**31 - 1}.")
        try:
            An8FlowerConfig(kind="an8flower", **values, images_per_chunk=IMAGES_PER_CHUNK)
        except ValidationError as error:
            found = error.errors()[0]
            place = ".".join(map(str, found["loc"]))
            message = found["msg"].removeprefix("Value error, ")
            raise VebiError(f"{place}: {message}." if place else f"{message}.") from error


def publish(
    request: FlowerRequest, out: str | Path, form: str = "hdf5", processes: int = 1
) -> Path:
    """Render a flower set to the folder `out`/SET.

    Args:
        request: what to render.
        out: the root folder, which may hold several sets.
        form: one of `WRITERS`.
        processes: renderers that work at once.

    Returns:
        The set's folder. One that holds the same already is left as it is.

    Raises:
        VebiError: a value that is not allowed; no Blender; a folder that holds something else.
    """
    request.check()
    if form not in WRITERS:
        raise VebiError(f"format is '{form}', expected one of {', '.join(WRITERS)}.")
    folder = Path(out) / request.flower_set
    about = {"format": form, **asdict(request)}
    if (folder / VERSION_FILE).is_file():
        found = parse_json((folder / VERSION_FILE).read_bytes())
        differing = [key for key, value in about.items() if found.get(key) != value]
        if differing:
            key = differing[0]
            raise VebiError(
                f"{folder} holds another version ({key} {found.get(key)}, not {about[key]}). Choose "
                "another --out, or delete it."
            )
        return folder
    about["blender"] = blender_version()
    work = _work_folder(folder, request, about["blender"])
    work.mkdir(parents=True, exist_ok=True)
    chunks = _render_chunks(request, work, processes)
    assemble(chunks, work / ARRAYS_FILE, request.flower_set, request.folds, request.fold)
    data = open_dataset(work / ARRAYS_FILE)
    WRITERS[form](data, work / ARRAYS_FILE, folder, request.flower_set)
    _write_facts(data if form != "hdf5" else open_dataset(folder / ARRAYS_FILE), folder, form)
    numbers = {
        name: SHADOW_NUMBER if name == "shadow" else PART_NUMBERS[name]
        for name in visible_names(request.flower_set)
    }
    about |= {"classes": list(data.classes), "part_names": numbers, "version": ""}
    _finish(folder, about)
    shutil.rmtree(work)
    return folder


def _work_folder(folder: Path, request: FlowerRequest, blender: str) -> Path:
    """Where chunks wait for the rest; named by all that decides their bytes."""
    facts = {**asdict(request), "blender": blender, "code": code_digest(CHUNK_RENDERER)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return folder / f".work-{digest[:16]}"


def _render_chunks(request: FlowerRequest, work: Path, processes: int) -> list[Path]:
    """Render the chunks that are not there yet, several at once; returns all of them."""
    starts = range(0, request.images, IMAGES_PER_CHUNK)
    chunks = {start: work / f"{start:06d}.h5" for start in starts}

    def render_one(start: int) -> None:
        stop = min(start + IMAGES_PER_CHUNK, request.images)
        values = {
            "set": request.flower_set,
            "seed": request.seed,
            "start": start,
            "stop": stop,
            "size": request.size,
            "samples": request.samples,
            "views-per-base": request.views_per_base,
            "out": chunks[start],
        }
        arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
        render(arguments, work / f"{start:06d}.log")

    missing = [start for start, path in chunks.items() if not path.exists()]
    with ThreadPoolExecutor(processes) as pool:
        title = f"rendering {request.flower_set}"
        try:
            for _ in tqdm(pool.map(render_one, missing), title, len(missing), unit="chunk"):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return list(chunks.values())


def _write_hdf5(data: Dataset, source: Path, folder: Path, flower_set: str) -> None:
    source.replace(folder / ARRAYS_FILE)


def _write_png(data: Dataset, source: Path, folder: Path, flower_set: str) -> None:
    for name in FOLDERS.values():
        (folder / name).mkdir(exist_ok=True)
    palette = _palette()
    for i in range(len(data)):
        row = np.array([i])
        mask, (parts, shadows) = data.read("masks", row)[0], _parts_of(data, row)
        numbers = Image.fromarray(part_map(parts, shadows), "P")
        numbers.putpalette(palette)
        pictures = {
            "image": Image.fromarray(data.images_at(row)[0]),
            "parts": numbers,
            "mask": Image.fromarray(mask),
        }
        for what, picture in pictures.items():
            picture.save(folder / FOLDERS[what] / f"{i:06d}.png", optimize=False)


def _write_coco(data: Dataset, source: Path, folder: Path, flower_set: str) -> None:
    _write_png(data, source, folder, flower_set)
    names = visible_names(flower_set)
    height, width, _ = data.image_shape
    for split, word in enumerate(("train", "test")):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for i in data.indices(split):
            file_name = f"{FOLDERS['image']}/{i:06d}.png"
            label = int(data.labels[i])
            about = {"id": int(i), "file_name": file_name, "width": width, "height": height}
            images.append({**about, "label": label, "class_name": data.classes[label]})
            row = np.array([i])
            carrier = data.read("masks", row)[0]
            masks = masks_of_map(part_map(*_parts_of(data, row)), flower_set)
            for number, name in enumerate(names, 1):
                if masks[name].any():
                    found = coco_annotation(masks[name])
                    found |= {"id": len(annotations) + 1, "image_id": int(i)}
                    found |= {"category_id": number, "iscrowd": 0}
                    found["carries_class"] = bool((masks[name] == carrier).all())
                    annotations.append(found)
        categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        write_text(folder / f"annotations_{word}.json", text + "\n")


WRITERS: dict[str, Callable[[Dataset, Path, Path, str], None]] = {
    "hdf5": _write_hdf5,
    "png": _write_png,
    "coco": _write_coco,
}


def coco_annotation(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Run-length mask, box and area of bool (H, W), as COCO has them: columns first, zeros first."""
    columns = mask.ravel(order="F")
    runs = [(key, len(list(group))) for key, group in groupby(columns.tolist())]
    counts = [0] * bool(columns[0]) + [length for _, length in runs]
    rows, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(across[0]), int(rows[0])
    return {
        "segmentation": {"counts": counts, "size": list(mask.shape)},
        "area": int(mask.sum()),
        "bbox": [left, top, int(across[-1]) + 1 - left, int(rows[-1]) + 1 - top],
    }


def _parts_of(
    data: Dataset, row: NDArray[np.integer]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return data.read("parts", row)[0], data.read("shadows", row)[0]


def _palette() -> list[int]:
    """A colour for each part's number, so that the maps can be looked at; shadow is black."""
    colours = np.full((256, 3), 128)
    steps = np.arange(len(PART_NUMBERS))
    colours[steps] = np.stack([60 + steps * k % 196 for k in (83, 47, 131)], axis=1)
    colours[SHADOW_NUMBER] = 0
    return [int(value) for value in colours.ravel()]


def _write_facts(data: Dataset, folder: Path, form: str) -> None:
    """`labels.csv` and `scenes.jsonl`."""
    bases, texts = data.read("base_scene"), data.read("parameters")
    lines = ["index,file,label,class,split,base_scene"]
    for i, label in enumerate(data.labels):
        file = ARRAYS_FILE if form == "hdf5" else f"{FOLDERS['image']}/{i:06d}.png"
        split = "test" if data.split[i] == TEST else "train"
        lines.append(f"{i},{file},{label},{data.classes[label]},{split},{bases[i]}")
    write_text(folder / LABELS_FILE, "\n".join(lines) + "\n")
    write_text(folder / SCENES_FILE, "".join(text.decode() + "\n" for text in texts))


def _finish(folder: Path, about: dict[str, Any]) -> None:
    """The checksum and the card. `version.json` comes last: with it the set is complete."""

    def as_json() -> str:
        return json.dumps(about, indent=1) + "\n"

    draft = folder / VERSION_FILE
    write_text(draft, as_json())
    try:
        about["version"] = checksum(Flowers(folder.parent, about["flower_set"], "all"))
        write_text(folder / "README.md", card(about))
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    write_text(draft, as_json())


def usable_processes() -> int:
    """As many renderers as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
