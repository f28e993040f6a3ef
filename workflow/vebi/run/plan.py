"""What a configuration asks for, as files: runs of experiments, their results, the data sets they use.

Plain paths: `.smk` files and the records of the studies use this, and nothing is opened.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from vebi.config.stages import ExperimentConfig
from vebi.config.whole import Config

# The folder of one network's results below that of a stage.
RUN = "{dataset}/{model}/seed{seed}"


class Run(TypedDict):
    """One trained network: its data set, its model and the seed of its training."""

    dataset: str
    model: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """The configuration of a run and the folder of its results."""

    config: Config
    results: Path

    @cached_property
    def masked(self) -> list[ExperimentConfig]:
        """Experiments on data sets whose discriminative region is known."""
        datasets = self.config.datasets
        return [e for e in self.config.experiments if datasets[e.dataset].has_masks]

    @cached_property
    def distracted(self) -> list[ExperimentConfig]:
        """Those of them whose images hold distractors."""
        return [e for e in self.masked if self.config.datasets[e.dataset].has_distractors]

    @cached_property
    def intervened(self) -> list[ExperimentConfig]:
        """Experiments on rendered scenes, in which one thing can be changed."""
        return [e for e in self.config.experiments if not self.config.datasets[e.dataset].loader]

    @cached_property
    def explained(self) -> list[ExperimentConfig]:
        """Experiments whose heatmaps the run makes."""
        whole = self.config.artefacts or self.config.occlusion
        return list(self.config.experiments) if whole else self.masked

    @property
    def first_seed(self) -> int:
        """The seed of the network that figures of single images show."""
        return self.config.seeds[0]

    def experiment(self, dataset: str, model: str) -> ExperimentConfig:
        """The experiment of a data set and a model."""
        pairs = {(e.dataset, e.model): e for e in self.config.experiments}
        return pairs[dataset, model]

    def runs(
        self,
        experiments: Iterable[ExperimentConfig] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Run]:
        """Every network of the experiments (None: of all), with the given seeds (None: all)."""
        return [
            Run(dataset=e.dataset, model=e.model, seed=seed)
            for e in (self.config.experiments if experiments is None else experiments)
            for seed in (self.config.seeds if seeds is None else seeds)
        ]

    def files(self, pattern: str, runs: Iterable[Run] | None = None) -> list[Path]:
        """One file per run (None: every run).

        `pattern` is relative to the results folder and holds the wildcards of RUN.
        """
        return [
            self.results / pattern.format(**run) for run in (self.runs() if runs is None else runs)
        ]

    def first(self, pattern: str) -> Path:
        """The pattern of a file of the first seed's network; dataset and model stay wildcards."""
        return self.results / pattern.replace("{seed}", str(self.first_seed))

    def datasets(self, experiments: Iterable[ExperimentConfig] | None = None) -> list[str]:
        """The data sets that the experiments use, each once."""
        some = self.config.experiments if experiments is None else experiments
        return list(dict.fromkeys(e.dataset for e in some))

    def dataset_files(self, names: Iterable[str]) -> list[Path]:
        """The files of data sets."""
        return [self.results / "data" / name / "dataset.h5" for name in names]


Wanted = Callable[[Plan], bool]
