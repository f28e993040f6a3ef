"""Build the wheel, install it in a bare environment, and use it as a stranger would.

    python tools/check_wheel.py                     with the newest versions of what it needs
    python tools/check_wheel.py --versions lowest   with the lower bounds of pyproject.toml
    python3.13 tools/check_wheel.py                 with another Python

Every command runs, in a folder without the repository: first with the package alone, where a missing
optional package must be named with its extra, then with the extras and the example of README.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Before the package: another one must not pull in a newer build. Its own lower bound is tested where
# all of its builds can be had (--torch).
TORCH = "2.13.0"
EXTRAS = "torchvision,report,crate,benchmark"
MAKE_INPUT = """
import h5py, numpy as np, torch
from PIL import Image
rng = np.random.default_rng(0)
x = rng.random((90, 6)) * 0.1
x[np.arange(90), np.arange(90) % 3] += 1
with h5py.File("x.h5", "w") as file:
    file["labels"], file["X"] = np.arange(90) % 3, (x / x.sum(1, keepdims=True)).astype("f4")
masks = np.zeros((3, 4, 4), bool)
masks[:, :2] = True
with h5py.File("masks.h5", "w") as file:
    file["masks"] = masks
with h5py.File("maps.h5", "w") as file:
    file["heatmaps"] = masks.astype("f4")
torch.save({"fc.weight": torch.zeros(3, 512)}, "weights.pth")
Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save("image.png")
"""
NETWORK = """
from torch import nn
def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )
"""
METHOD = """
import torch
def explain(model, images, targets):
    images.requires_grad_()
    scores = model(images).gather(1, targets[:, None])
    return torch.autograd.grad(scores.sum(), images)[0].clamp(min=0)
"""


class Bare:
    """An environment, made if there is none, and a folder in which its commands run."""

    def __init__(self, environment: Path, place: Path) -> None:
        self.bin, self.place = environment / "bin", place
        place.mkdir()
        if not environment.exists():
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)

    def install(self, *arguments: str | Path) -> None:
        """`pip install ARGUMENTS`."""
        quiet = ("-q", "--disable-pip-version-check")
        subprocess.run(
            [self.bin / "python", "-m", "pip", "install", *quiet, *arguments], check=True
        )

    def uninstall(self, *packages: str) -> None:
        """`pip uninstall PACKAGES`, as far as they are there."""
        subprocess.run(
            [self.bin / "python", "-m", "pip", "uninstall", "-qy", *packages], check=True
        )

    def run(
        self, *command: str, code: int = 0, says: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; it must end with `code` and print `says`."""
        shown = " ".join(part if "\n" not in part else "..." for part in command)
        print(f"  {shown}", flush=True)
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.place,
            env={"PATH": os.environ["PATH"], "COLUMNS": "80", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        # Terminals break lines anywhere.
        output = re.sub(r"\s+", " ", done.stdout + done.stderr)
        if done.returncode != code or says not in output or "defect of vebi" in output:
            sys.exit(
                f"exit code {done.returncode}, expected {code} and {says!r}:\n{output[-3000:]}"
            )
        return done


def requirements() -> tuple[list[str], list[str]]:
    """What pyproject.toml says that the package needs, and that its extras need besides."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (project["optional-dependencies"][name] for name in EXTRAS.split(","))
    return project["dependencies"], sorted({one for extra in extras for one in extra})


def lower_bounds() -> list[str]:
    """The oldest versions that pyproject.toml allows, but for torch and torchvision."""
    needed, optional = requirements()
    stated = [*needed, *optional]
    return [one.replace(">=", "==") for one in stated if not one.startswith("torch")]


def check_alone(bare: Bare) -> None:
    """What the package does without any extra."""
    bare.run("python", "-c", MAKE_INPUT)
    (bare.place / "net.py").write_text(NETWORK, encoding="utf-8")
    bare.run("vebi", "--version", says="vebi 0.")
    listed = bare.run("vebi", "--help", says="Visual explanation")
    for command in re.findall(r"^│ (\w+)  ", listed.stdout, re.MULTILINE):
        bare.run("vebi", command, "--help", says="Usage")
    bare.run("vebi", "select", "x.h5", "--mu", "1,10,100", "--out", "a", says="relative gap")
    bare.run(
        "vebi", "select", "x.h5", "--mu", "1", "10", "100", "--out", "b", "--json", says='"mu"'
    )
    bare.run("vebi", "iou", "maps.h5", "masks.h5", "--out", "iou", says="auc")
    bare.run("vebi", "schema", says="$schema")
    bare.run("vebi", "claims", str(ROOT / "results/reference/default"), says="claim")
    bare.run("vebi", "verify", str(ROOT / "results/reference/default"), code=2, says="manifest")
    bare.run(
        "vebi", "flowers", "--set", "single-6c", "--images", "150", "--out", "f", code=2, says="bpy"
    )
    check_diff(bare)
    (bare.place / "method.py").write_text(METHOD, encoding="utf-8")
    scored = ("--method", "method.py:explain", "--model", "an8flower-inferred", "--out", "scored")
    bare.run("vebi", "benchmark", *scored, says="> method.py:explain")
    own = ("--factory", "net.py:make", "--classes", "3", "--size", "32", "image.png")
    bare.run("vebi", "explain", *own, "--method", "lrp", says="explanation")
    named = ("--architecture", "torchvision:resnet18", "--weights", "weights.pth", *own[2:])
    bare.run("vebi", "explain", *named, "--method", "lrp", code=2, says="vebi[torchvision]")


def check_diff(bare: Bare) -> None:
    """Tables that differ by less than the tolerances, which are part of the package, are alike."""
    head = "dataset,model,seed,epochs,train_accuracy,test_accuracy\n"
    for name, accuracy in (("p", "0.980000"), ("q", "0.980400"), ("r", "0.500000")):
        (bare.place / name / "tables").mkdir(parents=True)
        row = f"digits,net,0,3,0.990000,{accuracy}\n"
        (bare.place / name / "tables/training.csv").write_text(head + row, encoding="utf-8")
    bare.run("vebi", "diff", "p", "q")
    bare.run("vebi", "diff", "p", "r", code=1)


def check_where_nothing_can_be_written(bare: Bare) -> None:
    """Package and home folder are read-only: what is compiled can't be kept."""
    found = bare.run("python", "-c", "import vebi; print(vebi.__path__[0])")
    package, home = Path(found.stdout.strip()), bare.place / "home"
    # What was compiled up to here would be found.
    for cache in package.rglob("__pycache__"):
        shutil.rmtree(cache)
    home.mkdir()
    folders = [home, package, *(path for path in package.rglob("*") if path.is_dir())]
    # To root everything is writable, unless it gives that up.
    limits = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    for folder in folders:
        folder.chmod(0o555)
    try:
        # What takes seconds to compile says so; a curve's few lines take less than one.
        for command, says in (
            (("iou", "maps.h5", "masks.h5"), ""),
            (("select", "x.h5", "--mu", "1", "--out", "c"), "Compiling"),
        ):
            print(f"  {' '.join(command)} (nothing can be written)", flush=True)
            done = subprocess.run(
                [*limits, bare.bin / "vebi", *command],
                cwd=bare.place,
                env={"PATH": os.environ["PATH"], "HOME": str(home)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode or says not in done.stderr:
                sys.exit(f"exit code {done.returncode}: {done.stdout}{done.stderr}")
        left = [path for folder in folders for path in folder.glob("__pycache__")]
        if left or any(home.iterdir()):
            sys.exit(f"something was written: {left}")
    finally:
        for folder in folders:
            folder.chmod(0o755)


def check_example(bare: Bare) -> None:
    """The example of README.md, and what the extras add."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.+?)^```$", readme, re.MULTILINE | re.DOTALL)
    bare.run("python", "-c", example)
    if not (bare.place / "panel.png").is_file():
        sys.exit("the example of README.md wrote no panel.png")
    # Not by a plain import, which fails where torch has no CUDA and torchvision's build has.
    code = (
        "import torch; from vebi.models.torchvision_nets import torchvision_network as network; "
        "torch.save(network('squeezenet1_1', 3, {}).state_dict(), 'weights.pth')"
    )
    bare.run("python", "-c", code)
    named = ("--architecture", "torchvision:squeezenet1_1", "--weights", "weights.pth")
    size = ("--classes", "a,b,c", "--size", "64", "image.png", "--method", "grad_cam")
    bare.run("vebi", "explain", *named, *size, says="explanation")
    bare.run("python", "-c", "import vebi.report.page, vebi.run.crate, rocrate, jinja2, yaml")


def main() -> None:
    """Build, install, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--versions", choices=("lowest", "newest"), default="newest")
    parser.add_argument("--torch", default=TORCH, help="its version")
    parser.add_argument("--into", type=Path, help="an environment that is there, to save time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = folder / "source"
        # A copy: what an earlier build left in the repository would be packed, too.
        shutil.copytree(ROOT / "workflow/vebi", source / "workflow/vebi")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source]
        subprocess.run(build, check=True)
        (wheel,) = folder.glob("vebi-*.whl")
        bare = Bare((arguments.into or folder / "venv").absolute(), folder / "place")
        if arguments.into:
            # An environment that was there may have the extras.
            bare.uninstall(*(one.partition(">=")[0] for one in requirements()[1]))
        print(f"Python {sys.version.split()[0]}, {arguments.versions} versions", flush=True)
        bare.install(f"torch=={arguments.torch}")
        bounds = folder / "bounds.txt"
        pins = lower_bounds() if arguments.versions == "lowest" else []
        bounds.write_text("\n".join([f"torch=={arguments.torch}", *pins]), encoding="utf-8")
        bare.install("-c", bounds, wheel)
        # An environment that was there may have an earlier wheel of the same version.
        bare.install("--force-reinstall", "--no-deps", wheel)
        check_alone(bare)
        check_where_nothing_can_be_written(bare)
        bare.install("-c", bounds, f"{wheel}[{EXTRAS}]")
        check_example(bare)
    print("The wheel does what it should.")


if __name__ == "__main__":
    main()
