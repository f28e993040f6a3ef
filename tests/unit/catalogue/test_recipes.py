"""What it takes to add to the catalogue, done in a scratch copy of the package and run there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

METHOD = """
        Method(
            name="loudest",
            label="gradient, squared",
            short="gradient,\\nsquared",
            colour="#123456",
            explains="class",
            function="vebi.heatmaps.methods.loudest:signal",
        ),
"""
SIGNAL = """
from torch import Tensor

from vebi.heatmaps.class_batch import ClassBatch


def signal(batch: ClassBatch) -> Tensor:
    return batch.gradient.square()
"""
PERTURBATION = """
def inversion(image, mean, n, strength, rng):
    for i in range(n):
        yield image + np.float32(strength * i / n) * (255 - 2 * image)


"""
NETWORK = """
def tiny(shape: tuple[int, int, int], n_classes: int, width: int = 4) -> list[tuple[str, nn.Module]]:
    return [
        ("conv1", nn.Conv2d(shape[0], width, 3)),
        ("gap", nn.AdaptiveAvgPool2d(1)),
        ("fc", nn.Conv2d(width, n_classes, 1)),
    ]


"""
KIND = '''class StripesConfig(_DatasetSection):
    """Stripes up or across."""

    has_masks: ClassVar[bool] = False
    loader: ClassVar[str] = "vebi.data.stripes:write"
    kind: Literal["stripes"]
    size: int = Field(16, ge=8, description="height and width in pixels")

    @property
    def n_classes(self) -> int:
        return 2

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)


'''
LOADER = """
import numpy as np

from vebi.data.dataset import Images, write_dataset


def write(config, path, cache):
    up = np.zeros((config.size, config.size, 1), np.uint8)
    up[::2] = 255
    images = np.stack([up, up.transpose(1, 0, 2)] * 4)
    split = np.arange(8) // 4
    write_dataset(path, Images(images, np.arange(8) % 2, split, ["across", "up"]))
"""
# A configuration with what was added, and the start of each script.
START = """
import yaml
from pathlib import Path
from vebi.config import parse_config

values = yaml.safe_load(Path("config.yaml").read_text())
"""


@pytest.fixture
def scratch(root: Path, tmp_path: Path):
    """A copy of the package; `insert` before a text of a file, `run` a script in the copy."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "workflow/vebi", tmp_path / "vebi", ignore=ignored)
    shutil.copy(root / "config/config.yaml", tmp_path / "config.yaml")

    class Scratch:
        def insert(self, name: str, before: str, text: str) -> None:
            path = tmp_path / "vebi" / name
            old = path.read_text()
            assert old.count(before) == 1, before
            path.write_text(old.replace(before, text + before))

        def write(self, name: str, text: str) -> None:
            assert not (tmp_path / "vebi" / name).exists()
            (tmp_path / "vebi" / name).write_text(text)

        def run(self, script: str) -> None:
            done = subprocess.run(
                [sys.executable, "-c", START + script],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(tmp_path)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr

    return Scratch()


def test_a_heatmap_method_takes_a_record_and_a_module(scratch) -> None:
    scratch.insert("catalogue/methods.py", "        # Tol's muted palette", METHOD)
    scratch.write("heatmaps/methods/loudest.py", SIGNAL)
    scratch.run("""
values["heatmaps"]["methods"].append("loudest")
assert "loudest" in parse_config(values).heatmaps.methods
from vebi.config.schema import schema_text
assert '"loudest"' in schema_text()

import numpy as np, torch, vebi
from vebi.figures.style import new_figure
from vebi.studies.explanations.figures import draw_examples
net = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Flatten(), torch.nn.Linear(108, 2))
images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
explainer = vebi.Explainer(net, classes=("a", "b"))
found = explainer.explain(images, "loudest")
batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().requires_grad_()
net(batch).amax(1).sum().backward()
for one, gradient in zip(found, batch.grad.square(), strict=True):
    expected = (gradient[0] - gradient.min()) / (gradient.max() - gradient.min())
    np.testing.assert_allclose(one.heatmap, expected, rtol=1e-4, atol=1e-6)
maps = {"loudest": np.stack([one.heatmap for one in found])}
areas = {"loudest": np.zeros(2)}
figure = draw_examples(images, np.ones((2, 8, 8)), maps, ["a", "b"], areas)
assert "squared" in figure.axes[2].get_title()
explainer.panel(images, "p.png", "loudest")
""")


def test_a_perturbation_takes_one_file(scratch) -> None:
    scratch.insert("perturbation/perturbations.py", "@record\n", PERTURBATION)
    added = '        Perturbation(name="inversion", label="inverted\\npixels", copies=inversion),\n'
    scratch.insert("perturbation/perturbations.py", "    )\n)\n\n\ndef perturb(", added)
    scratch.run("""
values["resampling"]["perturbations"].append({"name": "inversion", "strength": 1.0})
assert parse_config(values).resampling.perturbations[-1].name == "inversion"
import numpy as np
from vebi.perturbation.perturbations import some_copies
image = np.full((4, 4, 1), 55, np.uint8)
numbers, copies = some_copies(image, "inversion", 3, 1.0, (0,))
assert np.allclose(copies[:, 0, 0, 0], 55 + 145 * np.array([0, 1, 2]) / 3)
from vebi.studies.perturbation.figures import draw_contact_sheet
figure = draw_contact_sheet(image, {"inversion": (1.0, numbers, copies)})
assert "inverted" in figure.axes[0].get_ylabel()
""")


def test_a_network_takes_a_record_and_a_function(scratch) -> None:
    record = (
        '        Architecture(name="tiny", function="vebi.models.nets:tiny", smallest=8, '
        'kwargs={"width": (1, 9)}),\n'
    )
    scratch.insert("catalogue/architectures.py", "        # They end in global", record)
    scratch.insert("models/nets.py", "@dataclass(frozen=True)\nclass NetSpec", NETWORK)
    scratch.run("""
tiny = {"architecture": "tiny", "epochs": 2, "kwargs": {"width": 7}}
values["models"]["small"] = tiny
values["experiments"].append({"dataset": "digits", "model": "small", "heatmap_mu": 10})
parse_config(values)
from vebi.io.errors import VebiError
values["models"]["small"] = {**tiny, "kwargs": {"width": 10}}
try:
    parse_config(values)
except VebiError as error:
    assert "kwargs.width: is 10; allowed: 1 to 9" in str(error)
from vebi.models.nets import NetSpec, build
net = build(NetSpec("tiny", (1, 28, 28), 3, 64.0, kwargs={"width": 7}))
assert net.conv1.out_channels == 7
""")


def test_a_kind_of_data_set_takes_a_section_and_a_module(scratch) -> None:
    scratch.insert("config/datasets.py", "# Keys of an image folder that", KIND)
    scratch.insert("config/datasets.py", "ImageFolderConfig, Field(", "StripesConfig | ")
    scratch.write("data/stripes.py", LOADER)
    scratch.run("""
values["datasets"]["stripes"] = {"kind": "stripes", "size": 16}
values["models"]["small"] = {"architecture": "vgg_gap", "epochs": 1}
values["experiments"].append({"dataset": "stripes", "model": "small", "heatmap_mu": 10})
section = parse_config(values).datasets["stripes"]
from vebi.catalogue.record import resolve
from vebi.config.datasets import parse_dataset
from vebi.data.dataset import open_dataset
from vebi.data.decoding import decoding_for
settings = section.model_dump()
resolve(parse_dataset(settings).loader)(section, "d.h5", Path("cache"))
assert open_dataset("d.h5").image_shape == section.shape == (16, 16, 1)
assert decoding_for(section).shape == (16, 16, 1)
""")
