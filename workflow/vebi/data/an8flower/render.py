"""Render a chunk of flower images, and which part each pixel shows, with Blender's Cycles.

Run it with the rendering environment's Python:

    python -m vebi.data.an8flower.render --set single-6c --seed 0 --start 0 --stop 100 --out chunk.h5

The chunk file holds, for the n images from `start` to `stop`: `images` uint8 (n, H, W, 3), `masks` bool
(n, H, W) of the part that carries the class, `parts` uint8 (n, H, W) numbers into the attribute
`part_names`, `shadows` bool (n, H, W) of the ground in shadow, `labels`, `base_scene` and `index` int64
(n), `parameters` (n) JSON of the scene, and for sets with distractors `distractor_masks` bool (n, H, W).

The light is chosen so that the colour of a part stays on it: one sun of angle 0, ambient light as
emission that only the camera sees, no bounces, no denoiser. That also leaves no noise but
anti-aliasing. The part of a pixel is what a ray through its centre hits, and it is in shadow if the
sun does not reach that point. `parts` has masks of each part.
"""

import argparse
import contextlib
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from vebi.compute.processes import die_with
from vebi.data.an8flower import geometry
from vebi.data.an8flower.materials import linear, make_material, make_part_material, make_world
from vebi.data.an8flower.parts import (
    COMPANION_SUFFIX,
    PART_NAMES,
    PART_NUMBERS,
    distractor_mask_of,
    mask_of,
    part_names_of,
)
from vebi.data.an8flower.scene import (
    DISTRACTOR_OBJECTS,
    FLOWER_SETS,
    Scene,
    get_flower_set,
    sample_scene,
)
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5


@dataclass(frozen=True)
class Job:
    """Which images are drawn, and how.

    Args:
        flower_set: the set's name.
        seed: of the set.
        size: height and width in pixels.
        samples: samples per pixel.
        views_per_base: images of a class that share a base scene.
        threads: of Blender; the bytes stay the same.
        device: cpu, gpu or auto.
    """

    flower_set: str
    seed: int
    size: int
    samples: int
    views_per_base: int
    threads: int
    device: str

    def scene(self, index: int) -> Scene:
        """Image `index` of the set."""
        return sample_scene(self.flower_set, self.seed, index, self.views_per_base)


class Rendering(NamedTuple):
    """A picture uint8 (H, W, 3), its part numbers uint8 (H, W), and bool (H, W) what the sun reaches."""

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    lit: NDArray[np.bool_]

    @property
    def shadows(self) -> NDArray[np.bool_]:
        """Pixels (H, W) of the ground that lie in shadow."""
        return (self.parts == PART_NUMBERS["ground"]) & ~self.lit


class Renderer:
    """Blender with the flower in it. One per process: Blender has one global state.

    `size` is the side of the square images in pixels; `device` is cpu, gpu or auto.
    """

    def __init__(self, size: int, samples: int, threads: int = 1, device: str = "cpu") -> None:
        self._bpy = _import_bpy(threads)
        self._size = size
        self._objects: dict[str, Any] = {}
        self._meshes: dict[str, geometry.Mesh] = {}
        self._folder = tempfile.TemporaryDirectory(
            prefix="vebi-render-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        )
        data = self._bpy.data
        with _silence():
            self._bpy.ops.wm.read_factory_settings(use_empty=True)
        self._beauty = self._bpy.context.scene
        self._make_objects(data)
        self._parts = data.scenes.new("parts")
        # So strong that whatever it reaches is white, however it is turned.
        self._flash = data.objects.new("flash", data.lights.new("flash", "SUN"))
        self._flash.data.angle, self._flash.data.energy = 0.0, 1e5
        for item in [*self._objects.values(), self._camera, self._flash]:
            self._parts.collection.objects.link(item)
        self._parts.view_layers[0].material_override = make_part_material(data)
        self._set_up_light()
        for scene, scene_samples in ((self._beauty, samples), (self._parts, 1)):
            self._set_up(scene, size, scene_samples, threads)
        # The samples of a pixel stay within it, so that a pixel has a part's colour only if the part
        # covers some of it; Blender's default filter reaches 1.5 pixels far.
        self._beauty.cycles.pixel_filter_type = self._parts.cycles.pixel_filter_type = "BOX"
        self._beauty.cycles.filter_width = 1.0
        # Narrow enough that the only sample goes through the pixel's centre.
        self._parts.cycles.filter_width = 0.01
        self.device = _choose_device(self._bpy, [self._beauty, self._parts], device)

    def _make_objects(self, data: Any) -> None:
        """Parts and distractors with their materials, camera, sun and world, for the picture."""
        for name in PART_NAMES[1:]:
            item = data.objects.new(name, data.meshes.new(name))
            item.pass_index = PART_NUMBERS[name]
            # Even with no bounces Cycles follows a ray one step further to look for emission, and every
            # surface emits its ambient light: hide surfaces from such rays.
            item.visible_diffuse = item.visible_glossy = item.visible_transmission = False
            self._objects[name] = item
            self._beauty.collection.objects.link(item)
        self._shapes = {geometry.object_mesh(kind): kind for kind in DISTRACTOR_OBJECTS}
        for mesh, kind in self._shapes.items():
            _fill_mesh(data.meshes.new(kind), mesh)
        self._camera = data.objects.new("camera", data.cameras.new("camera"))
        self._sun = data.objects.new("sun", data.lights.new("sun", "SUN"))
        self._sun.data.angle = 0.0
        for item in (self._camera, self._sun):
            self._beauty.collection.objects.link(item)
        self._world = make_world(data)
        solid = make_material(data, "solid", gloss=0.06, translucency=0.0)
        thin = make_material(data, "thin", gloss=0.0, translucency=0.30)
        dull = make_material(data, "dull", gloss=0.0, translucency=0.0)
        kinds = {"petals": thin, "leaves": thin, "ground": dull, "soil": dull}
        for name, item in self._objects.items():
            item.data.materials.append(kinds.get(name.rstrip(COMPANION_SUFFIX), solid))
        for kind in DISTRACTOR_OBJECTS:
            data.meshes[kind].materials.append(solid)

    def _set_up_light(self) -> None:
        """How light reaches the two scenes."""
        self._parts.view_settings.view_transform = "Raw"
        self._beauty.view_settings.view_transform = "Standard"
        self._beauty.world = self._world
        # Else Cycles picks sky or sun at random in each sample, which shows as noise.
        visible = self._world.cycles_visibility
        visible.diffuse = visible.glossy = visible.transmission = visible.scatter = False
        # Cycles follows every ray one step further even with no bounces, here for nothing. Its fast
        # approximation of indirect light cuts that step to this length, and not a pixel changes.
        self._world.light_settings.distance = 1e-4
        for scene in (self._beauty, self._parts):
            scene.cycles.use_fast_gi = True
            scene.cycles.fast_gi_method = "REPLACE"
            scene.cycles.ao_bounces_render = 1

    def _set_up(self, scene: Any, size: int, samples: int, threads: int) -> None:
        scene.camera = self._camera
        render, cycles = scene.render, scene.cycles
        render.engine = "CYCLES"
        render.resolution_x = render.resolution_y = size
        render.resolution_percentage = 100
        render.threads_mode, render.threads = "FIXED", threads
        render.use_compositing = render.use_sequencer = False
        render.dither_intensity = 0.0
        # Uncompressed and without metadata: the fastest file to write and read.
        render.image_settings.file_format = "TARGA_RAW"
        render.image_settings.color_mode = "RGB"
        cycles.samples = samples
        cycles.use_adaptive_sampling = cycles.use_denoising = cycles.use_light_tree = False
        # Above 0, Cycles skips faint light at random, which shows as noise.
        cycles.light_sampling_threshold = 0.0
        cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 0
        cycles.transmission_bounces = cycles.transparent_max_bounces = cycles.volume_bounces = 0
        cycles.caustics_reflective = cycles.caustics_refractive = False

    def render(self, scene: Scene) -> Rendering:
        """Picture, parts and light of a scene."""
        self._place(scene)
        return Rendering(self._shoot(self._beauty), *self._shoot_parts())

    def render_parts(self, scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The part numbers uint8 (H, W) and bool (H, W) what the sun reaches, alone."""
        self._place(scene)
        return self._shoot_parts()

    def render_change(self, scene: Scene, before: Rendering, changed: Scene) -> Rendering:
        """As `render(changed)`, byte for byte, but draws only the pixels that the change can reach.

        Args:
            scene: what `before` shows.
            before: its rendering.
            changed: the same scene with something changed.
        """
        window, is_reshaped = geometry.window_of_change(scene, changed, self._size)
        left, right, top, bottom = window
        if left >= right or top >= bottom:
            return before
        self._place(changed)
        inside = (slice(top, bottom), slice(left, right))
        image = before.image.copy()
        image[inside] = self._shoot(self._beauty, window)
        if not is_reshaped:
            return before._replace(image=image)
        parts, lit = before.parts.copy(), before.lit.copy()
        parts[inside], lit[inside] = self._shoot_parts(window)
        return Rendering(image, parts, lit)

    def _place(self, scene: Scene) -> None:
        """Bring every object to the scene's state, whatever was rendered before."""
        view = scene.view
        things = geometry.things_of(scene, with_removed=True)
        for name, item in self._objects.items():
            thing = things.get(name)
            item.hide_render = thing is None
            # What is removed stays in Cycles' scene and is only not seen, so that not a bit changes in
            # how rays meet the rest.
            item.visible_camera = name not in scene.removed
            item.visible_shadow = not {name, "shadow"} & set(scene.removed)
            if thing is None:
                continue
            if thing.mesh in self._shapes:
                # Two objects of one kind share Blender's mesh; copies differ in the last bit of a ray.
                item.data = self._bpy.data.meshes[self._shapes[thing.mesh]]
            elif thing.mesh is not self._meshes.get(name):
                _fill_mesh(item.data, thing.mesh)
                self._meshes[name] = thing.mesh
            item.matrix_world = _blender_matrix(thing.matrix)
            item.color = (*map(linear, thing.colour), view.ambient)
        self._camera.matrix_world = _blender_matrix(geometry.camera_matrix(scene.plant, view))
        self._camera.data.angle = math.radians(view.field_of_view)
        for lamp in (self._sun, self._flash):
            lamp.matrix_world = _blender_matrix(geometry.sun_matrix(view))
        self._sun.data.energy = view.sun
        for name in ("sky", "horizon"):
            node = self._world.node_tree.nodes[name]
            node.outputs[0].default_value = (*map(linear, scene.colours[name]), 1.0)
        self._beauty.cycles.seed = view.sampling_seed

    def _shoot_parts(
        self, window: geometry.Window | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        shot = self._shoot(self._parts, window)
        return shot[..., 0], shot[..., 1] > 0

    def _shoot(self, scene: Any, window: geometry.Window | None = None) -> NDArray[np.uint8]:
        """The picture, or a window of it: the same pixels as in the whole."""
        path = Path(self._folder.name) / f"{scene.name}.tga"
        render = scene.render
        render.filepath = str(path)
        render.use_border = render.use_crop_to_border = window is not None
        if window is not None:
            # Blender cuts off fractions of pixels, so aim at their middle. Rows count from below.
            left, right, top, bottom = window
            across = [(edge + 0.5) / self._size for edge in (left, right)]
            upwards = [(self._size - edge + 0.5) / self._size for edge in (bottom, top)]
            render.border_min_x, render.border_max_x = across
            render.border_min_y, render.border_max_y = upwards
        with _silence():
            self._bpy.ops.render.render(write_still=True, scene=scene.name)
        with Image.open(path) as image:
            return np.array(image)

    def close(self) -> None:
        """Remove the temporary files."""
        self._folder.cleanup()


def _import_bpy(threads: int) -> Any:
    # Without this Blender writes its settings into the home folder.
    folder = Path(tempfile.gettempdir()) / "vebi-blender"
    os.environ.setdefault("BLENDER_USER_RESOURCES", str(folder))
    try:
        with _few_cores(threads):
            import bpy
    except ImportError as error:
        raise VebiError(
            f"Blender's Python module bpy can't be imported ({error}). Rendering has its own "
            "environment: `make .venv-render` in a clone of the repository, then use its Python. Or, in "
            "Python 3.11: pip install bpy==4.5.15."
        ) from error
    # Blender swallows Ctrl-C during a render.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return bpy


@contextlib.contextmanager
def _few_cores(n: int) -> Iterator[None]:
    """Show this process only `n` of its cores meanwhile.

    Blender's thread pool takes a thread for each core that it sees when it is loaded, and the ones
    that are not needed spin: they nearly double the CPU time of a render with one thread.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:n])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Blender reports each frame on file descriptor 1; send that nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _choose_device(bpy: Any, scenes: list[Any], device: str) -> str:
    """Set the scenes to GPU or CPU; returns the name of what is used."""
    chosen = "CPU"
    if device in ("auto", "gpu"):
        preferences = bpy.context.preferences.addons["cycles"].preferences
        for kind in ("OPTIX", "CUDA", "HIP", "METAL", "ONEAPI"):
            try:
                preferences.compute_device_type = kind
            except TypeError:
                continue  # this build of Blender has no such back end
            preferences.refresh_devices()
            found = [item for item in preferences.devices if item.type == kind]
            if found:
                for item in preferences.devices:
                    item.use = item.type == kind
                chosen = kind
                break
        if chosen == "CPU" and device == "gpu":
            raise VebiError(
                "--device gpu: Blender finds no GPU that it can use. Check the driver, or use "
                "--device cpu (the reference for the pixels)."
            )
    for scene in scenes:
        scene.cycles.device = "CPU" if chosen == "CPU" else "GPU"
    return chosen


def _fill_mesh(data: Any, mesh: geometry.Mesh) -> None:
    data.clear_geometry()
    data.vertices.add(len(mesh.vertices))
    data.vertices.foreach_set("co", mesh.vertices.astype(np.float32).ravel())
    data.loops.add(mesh.quads.size)
    data.loops.foreach_set("vertex_index", mesh.quads.ravel().astype(np.int32))
    data.polygons.add(len(mesh.quads))
    data.polygons.foreach_set("loop_start", np.arange(0, mesh.quads.size, 4, dtype=np.int32))
    data.update(calc_edges=True)
    data.shade_smooth()
    shade = data.attributes.new("shade", "FLOAT", "POINT")
    shade.data.foreach_set("value", mesh.shade.astype(np.float32))


def _blender_matrix(matrix: NDArray[np.float64]) -> list[list[float]]:
    # Blender's matrices are written row by row, but foreach-style buffers are column by column;
    # nested lists are rows.
    import mathutils

    return mathutils.Matrix(matrix.tolist())


def render_chunk(out: Path, job: Job, start: int, stop: int) -> None:
    """Render images `start` to `stop` (not included) to the chunk file `out`, atomically."""
    with_distractors = get_flower_set(job.flower_set).distractors
    scenes = [job.scene(i) for i in range(start, stop)]
    n, size = len(scenes), job.size
    renderer = Renderer(size, job.samples, job.threads, job.device)
    try:
        with create_hdf5(out) as file:
            images = file.create_dataset(
                "images", (n, size, size, 3), "u1", chunks=(1, size, size, 3)
            )
            planes = {"masks": "?", "parts": "u1", "shadows": "?"}
            if with_distractors:
                planes["distractor_masks"] = "?"
            arrays = {
                name: file.create_dataset(
                    name, (n, size, size), kind, chunks=(1, size, size), compression="gzip"
                )
                for name, kind in planes.items()
            }
            write_scenes(file, scenes)
            title = f"{job.flower_set} {start}-{stop} ({renderer.device})"
            for k, scene in enumerate(tqdm(scenes, title, unit="image", mininterval=2.0)):
                made = renderer.render(scene)
                images[k], arrays["parts"][k] = made.image, made.parts
                arrays["shadows"][k] = made.shadows
                arrays["masks"][k] = mask_of(made.parts, scene)
                if with_distractors:
                    arrays["distractor_masks"][k] = distractor_mask_of(made.parts, scene)
    finally:
        renderer.close()


def write_scenes(file: h5py.File, scenes: Sequence[Scene]) -> None:
    """What a chunk file says of each image besides its pixels, and of its set."""
    file["labels"] = np.array([scene.label for scene in scenes], np.int64)
    file["base_scene"] = np.array([scene.base for scene in scenes], np.int64)
    file["index"] = np.array([scene.index for scene in scenes], np.int64)
    file.create_dataset(
        "parameters", data=[scene.to_json() for scene in scenes], dtype=h5py.string_dtype()
    )
    file.attrs["part_names"] = list(part_names_of(scenes[0].flower_set))
    file.attrs["flower_set"] = scenes[0].flower_set


LIMITS = {
    "seed": (0, 2**31),
    "size": (16, 1024),
    "samples": (1, 1024),
    "views_per_base": (1, 2**31),
    "threads": (1, 1024),
}


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with what every command that renders has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--set", required=True, dest="flower_set", choices=list(FLOWER_SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=112, help="height and width in pixels")
    parser.add_argument("--samples", type=int, default=8, help="samples per pixel")
    parser.add_argument("--views-per-base", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="the chunk file to write")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--owner", default="", help="the process to end with, see die_with")
    parser.add_argument(
        "--device",
        choices=["auto", "cpu", "gpu"],
        default="cpu",
        help="auto takes a GPU if there is one; the CPU is the reference for the pixels",
    )
    return parser


def check_limits(
    parser: argparse.ArgumentParser,
    values: argparse.Namespace,
    limits: dict[str, tuple[int, int]],
) -> None:
    """End with an error of the parser where a whole number is out of its limits."""
    for name, (low, high) in limits.items():
        value = getattr(values, name)
        if not low <= value <= high:
            flag = name.replace("_", "-")
            parser.error(f"--{flag} is {value}, expected a whole number from {low} to {high}")


def run_command(values: argparse.Namespace, render: Callable[[Job], None]) -> int:
    """Do `render` with the job that a command line describes; returns the exit status."""
    die_with(values.owner)
    try:
        render(Job(**{item.name: getattr(values, item.name) for item in fields(Job)}))
    except (VebiError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = make_parser("Render a chunk of flower images with masks.")
    parser.add_argument("--start", type=int, required=True, help="first image")
    parser.add_argument("--stop", type=int, required=True, help="one past the last image")
    values = parser.parse_args(arguments)
    limits = {"start": (0, 2**31), "stop": (values.start + 1, 2**31)}
    check_limits(parser, values, LIMITS | limits)
    return run_command(values, lambda job: render_chunk(values.out, job, values.start, values.stop))


if __name__ == "__main__":
    sys.exit(main())
