"""The published networks, scenes and scores of `vebi benchmark`: workflow/vebi/benchmark/DATASET/.

    python tools/benchmark_reference.py define an8flower-double-12c --config config/flowers.yaml --seed 4
    python tools/benchmark_reference.py score an8flower-double-12c

`define` takes the networks of one seed and the data set from the configuration's run; Blender draws the
interventions, into a folder that a second call goes on from (`--work`). `score` needs nothing but what is
published, and captum and zennit: after a change of a measure it is the only one to run. After a change of
a method, or for a new one, `--methods NAME` scores that and the controls alone.
"""

import argparse
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from snakemake.utils import update_config
from torch import nn

import vebi
from vebi.benchmark.known import score_known
from vebi.benchmark.reference import INTERVENTIONS, KNOWN_SCORES, ROOT, read_scores, write_sums
from vebi.benchmark.score import SCORES
from vebi.catalogue.known import KNOWN
from vebi.config import Config, parse_config
from vebi.config.datasets import An8FlowerConfig
from vebi.data.an8flower.assemble import assemble_interventions
from vebi.data.an8flower.changes import changes_of
from vebi.data.an8flower.launch import INTERVENTION_RENDERER, render
from vebi.data.dataset import TEST, TRAIN, Dataset, open_dataset
from vebi.data.subset import spread_over_classes
from vebi.io.errors import VebiError
from vebi.io.tables import write_table
from vebi.models.model_file import load_model, load_network, save_model
from vebi.models.train import predict, to_batch
from vebi.studies.interventions.interventions_file import read_interventions, write_compact

CONFIGURATIONS = Path(__file__).parents[1] / "config"
IMAGES, PER_CHUNK = 48, 12
README = """# The networks and scenes of `vebi benchmark`: {dataset}

Made by `python tools/benchmark_reference.py define {dataset} --config config/{run}.yaml
--seed {seed}` from the run of that configuration. `SHA256SUMS` has the checksums, which are compared
before a file is opened; the module `vebi.benchmark.reference` says what each file is. The licence is
that of the repository.

- `interventions.h5`: {n_images} test images of {n_scenes} scenes of the set {flower_set} (seed
  {root_seed}, {views} views of a scene for each class), on which no network here was trained, each also
  with one thing changed, in {n_changes} ways.
- Weights are stored in half precision, which halves the files; in use they are float32. The features
  in the `.h5` next to a network were selected in it on the {n_train} training images, at mu = {mu:g}.

{networks}
`scores.csv` is made from these files alone: `python tools/benchmark_reference.py score {dataset}`.
"""
HEAD = (
    *("file", "parameters", "MB", "test accuracy", "before rounding"),
    *("largest change of a score by rounding", "features of a class"),
)


@dataclass(frozen=True)
class Origin:
    """A data set of a run: where the benchmark's files come from."""

    config: Config
    results: Path
    dataset: str
    seed: int

    @property
    def flowers(self) -> An8FlowerConfig:
        """How the data set was rendered."""
        found = self.config.datasets.get(self.dataset)
        if not isinstance(found, An8FlowerConfig):
            raise VebiError(
                f"{self.dataset} is not a rendered set of {self.config.run}: its scenes can't be changed."
            )
        return found

    @property
    def data(self) -> Dataset:
        """Its images."""
        return open_dataset(self.results / "data" / self.dataset / "dataset.h5")


def define(origin: Origin, work: Path) -> None:
    """Write networks, selections, interventions, checksums and README of a data set."""
    # Before anything is replaced.
    flowers, data = origin.flowers, origin.data
    experiments = [one for one in origin.config.experiments if one.dataset == origin.dataset]
    if not experiments:
        raise VebiError(f"no experiment of {origin.config.run} is on {origin.dataset}.")
    folder = ROOT / origin.dataset
    folder.mkdir(exist_ok=True)
    for old in (path for path in folder.iterdir() if path.name != KNOWN_SCORES):
        old.unlink()
    networks = []
    for one in experiments:
        place = Path(origin.dataset, one.model, f"seed{origin.seed}", "model.pt")
        out = folder / f"{one.model}-seed{origin.seed}.pt"
        networks.append(
            publish_network(origin.results / "models" / place, out, data, one.heatmap_mu)
        )
    chosen = spread_over_classes(data.labels, data.indices(TEST), IMAGES)
    publish_interventions(origin, chosen, folder / INTERVENTIONS, work)
    write_sums(folder, [path.name for path in folder.iterdir() if path.suffix in (".pt", ".h5")])
    text = README.format(
        dataset=origin.dataset,
        run=origin.config.run,
        seed=origin.seed,
        n_images=len(chosen),
        n_scenes=len(np.unique(data.read("base_scene", chosen))),
        flower_set=flowers.flower_set,
        root_seed=origin.config.seed,
        views=flowers.views_per_base,
        n_changes=len(changes_of(flowers.flower_set)),
        n_train=f"{len(data.indices(TRAIN)):,}",
        mu=experiments[0].heatmap_mu,
        networks=markdown([HEAD, ["---"] * len(HEAD), *networks]),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def publish_network(trained: Path, out: Path, data: Dataset, mu: float) -> list[str]:
    """Write a network in half precision, and the features selected in it; its row of the README."""
    before, spec, classes = load_network(trained)
    save_model(out, in_half_precision(before), spec, classes)
    after, _ = load_model(out)
    rows, cpu = data.indices(TEST), torch.device("cpu")
    test = to_batch(data.images_at(rows))
    accuracy = [
        float((predict(one, test, cpu) == data.labels[rows]).mean()) for one in (after, before)
    ]
    with torch.no_grad():
        some = test[:: len(test) // IMAGES].float()
        change = float((after(some) - before(some)).abs().max())
    train = data.indices(TRAIN)
    images, labels = data.images_at(train), data.labels[train]
    explainer = vebi.fit(after, images, labels, mu=mu, classes=classes)
    explainer.save(out.with_suffix(".h5"))
    n_parameters = sum(parameter.numel() for parameter in after.parameters())
    selected = explainer.selected.groupby("class").size()
    return [
        f"`{out.name}`",
        f"{n_parameters:,}",
        f"{out.stat().st_size / 1e6:.2f}",
        f"{accuracy[0]:.4f}",
        f"{accuracy[1]:.4f}",
        f"{change:.4f}",
        f"{selected.min()} to {selected.max()}",
    ]


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table."""
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def in_half_precision(network: nn.Module) -> nn.Module:
    """A copy with its weights in half precision; a mean image, with values up to 255, stays as it is."""
    copied = deepcopy(network)
    for parameter in copied.parameters():
        parameter.data = parameter.data.half()
    return copied


def publish_interventions(origin: Origin, chosen: NDArray[np.int64], out: Path, work: Path) -> None:
    """Render interventions on the chosen images, in chunks that `work` keeps.

    Raises:
        VebiError: the images are not drawn as those of the data set were.
    """
    work.mkdir(parents=True, exist_ok=True)
    flowers, chunks = origin.flowers, []
    for number, start in enumerate(range(0, len(chosen), PER_CHUNK)):
        chunks.append(work / f"{number:04d}.h5")
        if chunks[-1].is_file():
            continue
        values = {
            "set": flowers.flower_set,
            "seed": origin.config.seed,
            "size": flowers.size,
            "samples": flowers.samples,
            "views-per-base": flowers.views_per_base,
            "device": "cpu",
            "images": ",".join(map(str, chosen[start : start + PER_CHUNK])),
            "out": chunks[-1],
        }
        arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
        render(arguments, chunks[-1].with_suffix(".log"), INTERVENTION_RENDERER)
    assembled = work / INTERVENTIONS
    assemble_interventions(chunks, assembled, flowers.flower_set)
    write_compact(assembled, out)
    drawn = np.stack([one.image for one in read_interventions(out)])
    if not np.array_equal(drawn, origin.data.images_at(chosen)):
        raise VebiError(f"images in {work} are not those of {origin.data.path}. Delete {work}.")


def score(dataset: str, names: Sequence[str]) -> None:
    """Write the scores of known methods and controls; those of others than `names` stay as they are."""
    found = score_known(dataset, names=names)
    if set(names) != set(KNOWN):
        others = read_scores(dataset).query("kind == 'known' and method not in @names")
        found = pd.concat([others[others["method"].isin(KNOWN)], found], ignore_index=True)
    write_table(ROOT / dataset / KNOWN_SCORES, found, SCORES)


def read_config(path: Path) -> Config:
    """A configuration over the default one, as Snakemake reads it."""
    values = yaml.safe_load((CONFIGURATIONS / "config.yaml").read_text(encoding="utf-8"))
    update_config(values, yaml.safe_load(path.read_text(encoding="utf-8")))
    return parse_config(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("define", "score"))
    parser.add_argument("dataset", help="its name in the configuration")
    parser.add_argument("--methods", nargs="*", choices=KNOWN, default=KNOWN, help="default: all")
    parser.add_argument("--config", type=Path, default=CONFIGURATIONS / "flowers.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the networks")
    parser.add_argument("--results", type=Path, help="default: results/RUN")
    parser.add_argument("--work", type=Path, help="default: results/benchmark-DATASET")
    given = parser.parse_args()
    if given.what == "score":
        score(given.dataset, given.methods)
        return
    config = read_config(given.config)
    results = given.results or Path("results") / config.run
    work = given.work or Path("results") / f"benchmark-{given.dataset}"
    define(Origin(config, results, given.dataset, given.seed), work)


if __name__ == "__main__":
    main()
