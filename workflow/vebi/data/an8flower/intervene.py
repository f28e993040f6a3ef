"""Render interventions: images of a flower set again and again, each time with one thing changed.

Run it with the rendering environment's Python:

    python -m vebi.data.an8flower.intervene --set single-6c --images 0-29,150-179 --out chunk.h5

The file holds for the n images, whose numbers ascend, and the k changes of the set
(`changes.changes_of`, the same for all its images):

- `images` uint8 (n, k, H, W, 3) and `masks` bool (n, k, H, W): the picture after the change, and the
  pixels that the change is about (`changes.changed_region`);
- `applies` bool (n, k): false where the image has no such thing; its picture is then the original and
  its mask is empty;
- `originals` uint8 (n, H, W, 3), `parts` uint8 and `shadows` bool (n, H, W), `labels`, `base_scene`
  and `index` int64 (n), `parameters` (n): the images unchanged, as in the data set's own file;
- attributes `change_parts` and `change_kinds` (k), `part_names`, `flower_set`.

A scene is built once. A change draws only the window of pixels that it can reach, which gives the same
bytes as drawing all of them (`Renderer.render_change`).
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from vebi.compute.processes import die_with
from vebi.data.an8flower.changes import apply_change, changed_region, changes_of
from vebi.data.an8flower.parts import part_names_of
from vebi.data.an8flower.render import LIMITS, Renderer, check_limits, make_parser
from vebi.data.an8flower.scene import sample_scene
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5


def render_interventions(
    out: Path,
    flower_set: str,
    images: Sequence[int],
    *,
    seed: int = 0,
    size: int = 112,
    samples: int = 8,
    views_per_base: int = 5,
    threads: int = 1,
    device: str = "cpu",
) -> None:
    """Write the interventions on some images of a set to the file `out`, atomically.

    Args:
        out: the file.
        flower_set: the set's name.
        images: their numbers in the set, ascending.
        seed: of the set; it and the rest as in `render.render_chunk`.
        size: height and width in pixels.
        samples: samples per pixel.
        views_per_base: images of a class that share a base scene.
        threads: of Blender; the bytes stay the same.
        device: cpu, gpu or auto.
    """
    changes = changes_of(flower_set)
    scenes = [sample_scene(flower_set, seed, i, views_per_base) for i in images]
    n, k = len(scenes), len(changes)
    picture, plane = (size, size, 3), (size, size)
    renderer = Renderer(size, samples, threads, device)
    try:
        with create_hdf5(out) as file:
            arrays = {
                name: file.create_dataset(
                    name,
                    (*before, *shape),
                    kind,
                    chunks=(*[1] * len(before), *shape),
                    compression="gzip",
                    compression_opts=1,
                )
                for name, before, shape, kind in (
                    ("images", (n, k), picture, "u1"),
                    ("masks", (n, k), plane, "?"),
                    ("originals", (n,), picture, "u1"),
                    ("parts", (n,), plane, "u1"),
                    ("shadows", (n,), plane, "?"),
                )
            }
            applies = np.zeros((n, k), bool)
            title = f"interventions on {flower_set} ({renderer.device})"
            for row, scene in enumerate(tqdm(scenes, title, unit="image", mininterval=2.0)):
                before = renderer.render(scene)
                arrays["originals"][row], arrays["parts"][row] = before.image, before.parts
                arrays["shadows"][row] = before.shadows
                for column, change in enumerate(changes):
                    changed = apply_change(scene, change)
                    if changed is None:
                        arrays["images"][row, column] = before.image
                        continue
                    after = renderer.render_change(scene, before, changed)
                    applies[row, column] = True
                    arrays["images"][row, column] = after.image
                    arrays["masks"][row, column] = changed_region(
                        change, scene, before[1:], after[1:]
                    )
            file["applies"] = applies
            file["labels"] = np.array([scene.label for scene in scenes], np.int64)
            file["base_scene"] = np.array([scene.base for scene in scenes], np.int64)
            file["index"] = np.array([scene.index for scene in scenes], np.int64)
            file.create_dataset(
                "parameters", data=[scene.to_json() for scene in scenes], dtype=h5py.string_dtype()
            )
            file.attrs["change_parts"] = [change.part for change in changes]
            file.attrs["change_kinds"] = [change.kind for change in changes]
            file.attrs["part_names"] = list(part_names_of(flower_set))
            file.attrs["flower_set"] = flower_set
    finally:
        renderer.close()


def parse_numbers(text: str) -> list[int]:
    """`0-3,7` as [0, 1, 2, 3, 7]; raises ValueError unless the numbers ascend."""
    numbers: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or any(a >= b for a, b in pairwise(numbers)):
        raise ValueError(f"'{text}' is no ascending list of whole numbers such as 0-3,7")
    return numbers


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = make_parser("Render images with one thing changed at a time.")
    parser.add_argument("--images", required=True, help="numbers in the set, such as 0-29,150-179")
    values = parser.parse_args(arguments)
    check_limits(parser, values, {name: pair for name, pair in LIMITS.items() if name != "start"})
    try:
        values.images = parse_numbers(values.images)
    except ValueError as error:
        parser.error(f"--images: {error}")
    return values


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    values = vars(_parse(arguments))
    die_with(values.pop("owner"))
    try:
        render_interventions(**values)
    except (VebiError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
