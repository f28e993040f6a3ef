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

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vebi.data.an8flower.changes import apply_change, changed_region, changes_of
from vebi.data.an8flower.render import (
    LIMITS,
    Job,
    Renderer,
    check_limits,
    make_parser,
    run_command,
    write_scenes,
)
from vebi.io.hdf5 import create_hdf5


def render_interventions(out: Path, job: Job, images: Sequence[int]) -> None:
    """Write the interventions on some images of a set to the file `out`, atomically.

    Args:
        out: the file.
        job: the set, and how it is drawn.
        images: the images' numbers in the set, ascending.
    """
    changes = changes_of(job.flower_set)
    scenes = [job.scene(i) for i in images]
    n, k = len(scenes), len(changes)
    plane = (job.size, job.size)
    renderer = Renderer(job.size, job.samples, job.threads, job.device)
    try:
        with create_hdf5(out) as file:
            write_scenes(file, scenes)
            file.attrs["change_parts"] = [change.part for change in changes]
            file.attrs["change_kinds"] = [change.kind for change in changes]
            shapes = {
                "images": ((n, k), (*plane, 3), "u1"),
                "masks": ((n, k), plane, "?"),
                "originals": ((n,), (*plane, 3), "u1"),
                "parts": ((n,), plane, "u1"),
                "shadows": ((n,), plane, "?"),
            }
            for name, (count, shape, kind) in shapes.items():
                chunks = (*[1] * len(count), *shape)
                file.create_dataset(name, (*count, *shape), kind, chunks=chunks, compression=1)
            applies = np.zeros((n, k), bool)
            title = f"interventions on {job.flower_set} ({renderer.device})"
            for row, scene in enumerate(tqdm(scenes, title, unit="image", mininterval=2.0)):
                before = renderer.render(scene)
                file["originals"][row], file["parts"][row] = before.image, before.parts
                file["shadows"][row] = before.shadows
                for column, change in enumerate(changes):
                    changed = apply_change(scene, change)
                    if changed is None:
                        file["images"][row, column] = before.image
                        continue
                    after = renderer.render_change(scene, before, changed)
                    applies[row, column] = True
                    file["images"][row, column] = after.image
                    region = changed_region(change, scene, before[1:], after[1:])
                    file["masks"][row, column] = region
            file["applies"] = applies
    finally:
        renderer.close()


def parse_numbers(text: str) -> list[int]:
    """`0-3,7` as [0, 1, 2, 3, 7]; raises ValueError unless the numbers ascend."""
    numbers: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or any(a >= b for a, b in pairwise(numbers)):
        raise ValueError(f"'{text}' is not an ascending list of whole numbers such as 0-3,7")
    return numbers


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = make_parser("Render images with one thing changed at a time.")
    parser.add_argument("--images", required=True, help="numbers in the set, such as 0-29,150-179")
    values = parser.parse_args(arguments)
    check_limits(parser, values, LIMITS)
    try:
        images = parse_numbers(values.images)
    except ValueError as error:
        parser.error(f"--images: {error}")
    return run_command(values, lambda job: render_interventions(values.out, job, images))


if __name__ == "__main__":
    sys.exit(main())
