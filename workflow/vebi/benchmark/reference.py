"""The benchmark that is published with the package: networks, scenes, and scores of known methods.

A folder for each data set, named as that, holds

- `NAME-seedK.pt`: a network, as `model.pt` of a run;
- `NAME-seedK.h5`: the features that were selected in it (`vebi.Explainer.save`);
- `interventions.h5`: test images, each again with one thing in its scene changed, and their parts;
- `SHA256SUMS` of these, which is checked before any is opened;
- `scores.csv`: what known methods and controls come to, scene by scene (`score.SCORES`).

tools/benchmark_reference.py makes them; README.md in the folder says from what.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vebi.benchmark.bench import Bench
from vebi.benchmark.score import SCORES
from vebi.io.errors import VebiError
from vebi.io.files import sha256
from vebi.io.tables import read_table
from vebi.models.model_file import load_model

ROOT = Path(__file__).parent
INTERVENTIONS, SUMS, KNOWN_SCORES = "interventions.h5", "SHA256SUMS", "scores.csv"


def folder_of(dataset: str) -> Path:
    """The folder of a data set.

    Raises:
        VebiError: it is none of the package's.
    """
    known = sorted(path.parent.name for path in ROOT.glob(f"*/{SUMS}"))
    if dataset not in known:
        raise VebiError(
            f"the package has no networks and scenes of '{dataset}'; it has {', '.join(known)}. For "
            "another one give a finished run with the study interventions: --run results/interventions."
        )
    return ROOT / dataset


def find(dataset: str, name: str) -> Path:
    """A file of a data set, whose checksum is right.

    Raises:
        VebiError: no such data set, or the file is not as it was published.
    """
    folder = folder_of(dataset)
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    sums = {file: digest for digest, file in (line.split("  ", 1) for line in lines)}
    path = folder / name
    if not path.is_file() or sha256(path) != sums[name]:
        raise VebiError(f"{path} is not the file that was published: install vebi again.")
    return path


def network_names(dataset: str, model: str | None = None) -> list[tuple[str, int]]:
    """Name and seed of the networks of a data set.

    Args:
        dataset: its name.
        model: only those of this name.

    Raises:
        VebiError: there is none.
    """
    stems = sorted(path.stem for path in folder_of(dataset).glob("*-seed*.pt"))
    known = [(name, int(seed)) for name, _, seed in (stem.rpartition("-seed") for stem in stems)]
    found = [one for one in known if model in (None, one[0])]
    if not found:
        raise VebiError(
            f"the package has no network '{model}' for {dataset}; it has "
            f"{', '.join(name for name, _ in known)}. For a network of yours give --model "
            "file.py:function, which returns it."
        )
    return found


def open_networks(dataset: str, model: str | None = None) -> list[Bench]:
    """The networks of a data set with their images, and what changing these does to them.

    Args:
        dataset: its name.
        model: only those of this name.

    Raises:
        VebiError: no such data set or network, or a file is not as it was published.
    """
    interventions = find(dataset, INTERVENTIONS)
    return [
        Bench.of(name, seed, load_model(find(dataset, f"{name}-seed{seed}.pt"))[0], interventions)
        for name, seed in network_names(dataset, model)
    ]


def read_scores(dataset: str, model: str | None = None) -> pd.DataFrame:
    """The published scores of known methods and controls, as `score.SCORES`.

    Args:
        dataset: its name.
        model: only those on networks of this name.
    """
    scores = read_table(folder_of(dataset) / KNOWN_SCORES, SCORES)
    return scores if model is None else scores[scores["model"] == model]


def write_sums(folder: Path, names: Sequence[str]) -> None:
    """Write `SHA256SUMS` of files in a folder, in the form of `sha256sum`."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
