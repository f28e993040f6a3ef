"""The whole configuration, and what its sections must agree on."""

import difflib
from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vebi.config.artefacts import ArtefactsConfig
from vebi.config.average import AverageConfig
from vebi.config.base import MOST_SEEDS, Name, Seed, Strict
from vebi.config.benchmark import BenchmarkConfig
from vebi.config.controls import ControlsConfig
from vebi.config.datasets import DatasetConfig, ImageFolderConfig, TorchvisionConfig
from vebi.config.identifiability import IdentifiabilityConfig
from vebi.config.interventions import InterventionsConfig
from vebi.config.mcgill import McGillConfig, McGillNetworkConfig
from vebi.config.models import ModelConfig
from vebi.config.occlusion import OcclusionConfig
from vebi.config.resampling import ResamplingConfig
from vebi.config.robustness import CONVERTIBLE, FeatureCountsConfig, RobustnessConfig
from vebi.config.sanity import SanityConfig
from vebi.config.stages import (
    AblationConfig,
    ExperimentConfig,
    HeatmapConfig,
    IouConfig,
    PanelConfig,
    SelectionConfig,
)
from vebi.record import paragraph

# A network's responses to a batch take some ten times the memory of its pixels.
MOST_BATCH_BYTES = 8 * 2**30
# As much as stands over a panel of a figure.
Shown = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$", max_length=60)]
# Sections that measure something of each experiment.
NEED_EXPERIMENTS = ("average", "artefacts", "occlusion", "sanity", "resampling", "feature_counts")


class Config(Strict):
    """A whole run."""

    run: Name = Field(description="results go to `results/<run>/`")
    seed: Seed = Field(0, description="root of every random draw except training: scenes, controls")
    seeds: list[Seed] = Field(
        min_length=1, max_length=MOST_SEEDS, description="one network is trained from each"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description=paragraph("""
            where networks run. `auto` takes a GPU if torch sees one, else the CPU; of several
            (those that `CUDA_VISIBLE_DEVICES` leaves) the one with the least memory in use that no
            other job of the pipeline has. `cuda` is an error where there is none
        """),
    )
    ask_for_gpu: bool | None = Field(
        None,
        description=paragraph("""
            whether a job that runs a network asks the scheduler for a GPU (`gpu=1`). null: with
            `cuda`, and with `auto` if this machine has one. Set it to `true` where the machine that
            submits has none but the cluster's nodes do
        """),
    )
    # As many as the largest nodes of clusters have cores; a job refuses what its own machine can't run.
    compute_threads: int = Field(
        1,
        ge=1,
        le=256,
        description=paragraph("""
            threads a job computes with. Part of the configuration because floating-point sums
            depend on it; `--cores` does not change a result. A job refuses more than 16 per core of
            its machine
        """),
    )
    datasets: dict[Name, DatasetConfig] = Field(
        min_length=1, description="data sets by name; see below"
    )
    models: dict[Name, ModelConfig] = Field(
        min_length=1, description="networks and how they are trained, by name; see below"
    )
    shown_as: dict[Name, Shown] = Field(
        {},
        description=paragraph("""
            what figures and the report call data sets and models, by their names; others keep those.
            Files, folders and tables have the names
        """),
    )
    experiments: list[ExperimentConfig] = Field(
        description=paragraph("""
            what is trained and explained, once per seed; may be empty if there is a section
            `mcgill`
        """)
    )
    selection: SelectionConfig = Field(description="which features are relevant: the mu-Lasso")
    ablation: AblationConfig = Field(AblationConfig(), description="what removing features does")
    heatmaps: HeatmapConfig = Field(HeatmapConfig(), description="explanations")
    iou: IouConfig = Field(IouConfig(), description="maps against masks")
    panels: PanelConfig = Field(PanelConfig(), description="figures of examples")
    controls: ControlsConfig | None = Field(None, description="further controls of the ablation")
    identifiability: IdentifiabilityConfig | None = Field(
        None, description="selections from resampled images, and other rankings"
    )
    average: AverageConfig | None = Field(
        None, description="average images; without the section no such study, as for those below"
    )
    artefacts: ArtefactsConfig | None = Field(None, description="grids in maps")
    occlusion: OcclusionConfig | None = Field(None, description="covering what a map marks")
    sanity: SanityConfig | None = Field(None, description="maps of randomised networks")
    interventions: InterventionsConfig | None = Field(
        None, description="scenes rendered with one thing changed at a time"
    )
    benchmark: BenchmarkConfig | None = Field(
        None, description="which method is ahead, over all networks; needs `interventions`"
    )
    resampling: ResamplingConfig | None = Field(
        None, description="channels that matter when the input is perturbed"
    )
    robustness: RobustnessConfig | None = Field(
        None, description="the orderings in variants of the method"
    )
    feature_counts: FeatureCountsConfig | None = Field(
        None, description="numbers of selected features in variants of the method"
    )
    mcgill: McGillConfig | None = Field(None, description="the McGill report's two networks")

    @property
    def sums_descriptors_apart(self) -> bool:
        """Whether jobs of their own read the descriptors for the selection: in parts, or on a GPU.

        The configuration alone decides: which files a run consists of must not depend on whether the
        machine that reads the workflow has a GPU.
        """
        return self.selection.parts > 1 or self.device == "cuda" or bool(self.ask_for_gpu)

    def idle(self) -> list[str]:
        """One line for each part that asks for measurements on experiments that are not there."""
        known = [self.datasets[e.dataset] for e in self.experiments]
        masked = [data for data in known if data.has_masks]
        lines = [
            f"{name}: nothing of it is measured, since no experiment {lacks}"
            for name, some, lacks in (
                *((name, known, "is there") for name in NEED_EXPERIMENTS),
                ("robustness", masked, "has a data set with masks"),
            )
            if getattr(self, name) is not None and not some
        ]
        used = {e.dataset for e in self.experiments}
        studied = (self.resampling and self.resampling.datasets) or []
        lines += [
            f"resampling.datasets: nothing is measured on '{name}', since no experiment is on it"
            for name in studied
            if name not in used
        ]
        return lines

    @model_validator(mode="after")
    def _check(self) -> "Config":
        problems = [
            problem
            for number, experiment in enumerate(self.experiments)
            for problem in self._experiment_problems(f"experiments.{number}", experiment)
        ]
        listed: dict[str, list[Any]] = {
            "seeds": self.seeds,
            "selection.mu": self.selection.mu,
            "selection.scopes": self.selection.scopes,
            "heatmaps.methods": self.heatmaps.names,
            "experiments": [(e.dataset, e.model) for e in self.experiments],
        }
        for key, names in listed.items():
            if len(set(names)) < len(names):
                problems.append(f"{key}: the same value is listed twice")
        if self.heatmaps.scope not in self.selection.scopes:
            problems.append(
                f"heatmaps.scope: '{self.heatmaps.scope}' is not in selection.scopes "
                f"({', '.join(self.selection.scopes)})"
            )
        problems += self._shown_problems()
        if self.benchmark is not None and self.interventions is None:
            problems.append("benchmark: needs a section interventions, whose images it scores")
        if self.ask_for_gpu and self.device == "cpu":
            problems.append(
                "ask_for_gpu: true, but device is 'cpu'; allowed with it: false or null"
            )
        figures: dict[str, ExperimentConfig] = {}
        for e in self.experiments:
            other = figures.setdefault(f"{e.dataset}_{e.model}", e)
            if (other.dataset, other.model) != (e.dataset, e.model):
                problems.append(
                    f"experiments: '{e.model}' on '{e.dataset}' and '{other.model}' on '{other.dataset}' "
                    f"would both draw figures called {e.dataset}_{e.model}; rename one of them"
                )
        problems += self._stand_in_problems()
        problems += self._empty_class_problems()
        problems += self._variant_problems()
        problems += self._mcgill_problems()
        problems += self._resampling_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _shown_problems(self) -> list[str]:
        """Each is of something that is there, and tells it apart."""
        known = {**self.datasets, **self.models}
        problems = [
            _unknown("shown_as", name, known) for name in self.shown_as if name not in known
        ]
        names: dict[str, str] = {}
        for name in known:
            shown = self.shown_as.get(name, name)
            if names.setdefault(shown, name) != name:
                problems.append(
                    f"shown_as: '{name}' and '{names[shown]}' would both be shown as '{shown}'; "
                    "give each its own"
                )
        return problems

    def _empty_class_problems(self) -> list[str]:
        """Classes without images have no annotations that a mu-Lasso could be about."""
        if self.selection.labels == "predictions":
            return []
        return [
            f"datasets.{e.dataset}.all_classes: needs selection.labels: predictions, since most of its "
            f"classes have no images"
            for e in self.experiments
            if isinstance(data := self.datasets.get(e.dataset), ImageFolderConfig)
            and data.all_classes is not None
        ]

    def _stand_in_problems(self) -> list[str]:
        problems = []
        for name, data in self.datasets.items():
            if not isinstance(data, TorchvisionConfig) or data.instead_of is None:
                continue
            if not isinstance(self.datasets.get(data.instead_of), ImageFolderConfig):
                folders = [k for k, d in self.datasets.items() if isinstance(d, ImageFolderConfig)]
                problems.append(
                    f"datasets.{name}.instead_of: '{data.instead_of}' is not an image folder "
                    f"of datasets; allowed: {', '.join(folders) or 'none here'} or null"
                )
        return problems

    def _resampling_problems(self) -> list[str]:
        if self.resampling is None:
            return []
        studied = [
            e.model
            for e in self.experiments
            if self.resampling.datasets is None or e.dataset in self.resampling.datasets
        ]
        epochs = {m: self.models[m].epochs for m in studied if m in self.models}
        return self.resampling.problems(list(self.datasets), len(self.seeds), epochs)

    def _mcgill_problems(self) -> list[str]:
        if self.mcgill is None:
            return [] if self.experiments else ["experiments: is empty, so there is nothing to do"]
        return [
            problem
            for number, network in enumerate(self.mcgill.networks)
            for problem in self._network_problems(f"mcgill.networks.{number}", network)
        ]

    def _variant_problems(self) -> list[str]:
        problems = []
        for name, section in (
            ("robustness", self.robustness),
            ("feature_counts", self.feature_counts),
        ):
            if section is None:
                continue
            problems += section.problems(name)
            if self.selection.descriptor not in CONVERTIBLE:
                problems.append(
                    f"{name}: needs selection.descriptor {' or '.join(CONVERTIBLE)}, from which the "
                    f"other follows; it is '{self.selection.descriptor}'"
                )
        known = [self.datasets[e.dataset] for e in self.experiments if e.dataset in self.datasets]
        if self.robustness is not None and not any(dataset.has_masks for dataset in known):
            problems.append("robustness: no experiment has a data set with masks")
        return problems

    def _experiment_problems(self, key: str, experiment: ExperimentConfig) -> list[str]:
        problems = self._network_problems(key, experiment)
        if experiment.heatmap_mu not in self.selection.mu:
            allowed = ", ".join(f"{mu:g}" for mu in self.selection.mu)
            problems.append(
                f"{key}.heatmap_mu: {experiment.heatmap_mu:g} is not in selection.mu; allowed: {allowed}"
            )
        return problems

    def _network_problems(
        self, key: str, experiment: ExperimentConfig | McGillNetworkConfig
    ) -> list[str]:
        problems = []
        if experiment.dataset not in self.datasets:
            problems.append(_unknown(f"{key}.dataset", experiment.dataset, self.datasets))
        if experiment.model not in self.models:
            problems.append(_unknown(f"{key}.model", experiment.model, self.models))
        if problems:
            return problems
        dataset, model = self.datasets[experiment.dataset], self.models[experiment.model]
        if model.n_classes not in (None, dataset.n_classes):
            problems.append(
                f"models.{experiment.model}.n_classes: is {model.n_classes}, but data set "
                f"'{experiment.dataset}' has {dataset.n_classes} classes; "
                f"allowed: {dataset.n_classes} or null"
            )
        if reason := model.problem_with(dataset.shape):
            problems.append(
                f"{key}: images of '{experiment.dataset}' are {dataset.shape} (height, width, channels), "
                f"but {reason}"
            )
        problems += [
            f"models.{experiment.model}.{name}: has {len(values)} numbers, but images of "
            f"'{experiment.dataset}' have {dataset.shape[2]} channels; allowed: one number, or one each"
            for name in ("mean", "scale")
            if isinstance(values := getattr(model, name), list)
            and not model.fits_channels(len(values), dataset.shape[2])
        ]
        pixels = 4 * prod(dataset.shape) * model.batch_size
        if pixels > MOST_BATCH_BYTES:
            most = MOST_BATCH_BYTES // (4 * prod(dataset.shape))
            problems.append(
                f"models.{experiment.model}.batch_size: {model.batch_size} images of "
                f"'{experiment.dataset}' have {pixels / 2**30:.3g} GiB of pixels; allowed: up to {most}"
            )
        return problems


def _unknown(key: str, value: str, allowed: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(value, allowed, 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{key}: '{value}' is not there; allowed: {', '.join(allowed)}{hint}"
