"""The configuration: one typed source for every key, its type, its range and its meaning."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vebi.errors import VebiError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Scope = Literal["all", "conv"]

# Height, width and channels that an architecture is made for, and the name of its file of layers.
ARCHITECTURE_SHAPES: dict[str, tuple[int, int, int]] = {
    "matconvnet": (28, 28, 1),
    "an8flower_strided": (112, 112, 3),
    "an8flower_inferred": (112, 112, 3),
}


class Strict(BaseModel):
    """Unknown keys and silent type conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class An8FlowerConfig(Strict):
    """A rendered flower data set with exact masks."""

    kind: Literal["an8flower"]
    flower_set: Literal["single-6c", "double-12c", "double-12c-distractors"]
    images: int = Field(ge=12, description="number of images, a multiple of the number of classes")
    size: int = Field(112, ge=16, le=1024, description="height and width in pixels")
    samples: int = Field(6, ge=1, le=1024, description="Cycles samples per pixel")
    views_per_base: int = Field(5, ge=1, description="images of one class that share a base scene")
    images_per_chunk: int = Field(150, ge=1, description="images that one rendering job makes")
    folds: int = Field(5, ge=2, description="base scenes are dealt to so many folds")
    fold: int = Field(0, ge=0, description="the fold that is the test split")

    @property
    def n_classes(self) -> int:
        return 6 if self.flower_set == "single-6c" else 12

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 3)

    @model_validator(mode="after")
    def _check(self) -> "An8FlowerConfig":
        if self.images % self.n_classes:
            raise ValueError(
                f"images is {self.images}, which is no multiple of the {self.n_classes} classes "
                f"of {self.flower_set}"
            )
        if self.fold >= self.folds:
            raise ValueError(
                f"fold is {self.fold}, but the {self.folds} folds are 0 to {self.folds - 1}"
            )
        bases = -(-self.images // (self.n_classes * self.views_per_base))
        if bases < self.folds:
            raise ValueError(
                f"{self.images} images make {bases} base scenes, too few for {self.folds} folds: "
                f"raise images to {self.folds * self.n_classes * self.views_per_base} or lower folds"
            )
        return self


class DigitsConfig(Strict):
    """scikit-learn's 1,797 handwritten digits, enlarged."""

    kind: Literal["digits"]
    size: int = Field(28, ge=8, le=256, description="height and width in pixels")

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)


class MnistConfig(Strict):
    """MNIST's 70,000 digits, from $VEBI_DATA/mnist or downloaded."""

    kind: Literal["mnist"]

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (28, 28, 1)


DatasetConfig = Annotated[An8FlowerConfig | DigitsConfig | MnistConfig, Field(discriminator="kind")]


class ModelConfig(Strict):
    """An architecture and how it is trained."""

    architecture: Literal["matconvnet", "an8flower_strided", "an8flower_inferred"]
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=65_536)
    optimiser: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float = Field(gt=0)
    final_learning_rate_factor: float = Field(
        1.0, gt=0, le=1, description="the last epoch's learning rate over the first's"
    )
    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    init_std: float | None = Field(
        None, gt=0, description="standard deviation of the first weights; null: He initialisation"
    )
    scale: float = Field(64.0, gt=0, description="pixels minus the mean image are divided by this")
    n_classes: int | None = Field(None, ge=2, description="null: as many as the data set has")


class ExperimentConfig(Strict):
    """One network on one data set, with every seed."""

    dataset: Name
    model: Name
    heatmap_mu: float = Field(
        gt=0, description="the mu whose weights choose features to explain with"
    )


class SelectionConfig(Strict):
    """The mu-Lasso of Eq. 1."""

    descriptor: Literal["vebi_text", "vebi_code", "mcgill_matconvnet", "mcgill_keras"] = "vebi_text"
    labels: Literal["annotations", "predictions"] = "annotations"
    nonnegative: bool = False
    solver: Literal["path", "spgl1"] = "path"
    scopes: list[Scope] = Field(["all", "conv"], min_length=1)
    mu: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


class AblationConfig(Strict):
    """Removing features (VEBI 4.1)."""

    repeats: int = Field(10, ge=1, description="draws of each random control")
    batch_size: int = Field(128, ge=1)


class HeatmapConfig(Strict):
    """Explanations (VEBI 3.2 and 3.3)."""

    methods: list[Literal["upsampled_activation", "deconv_gb", "vebi", "vebi_conv"]] = Field(
        ["upsampled_activation", "deconv_gb", "vebi", "vebi_conv"], min_length=1
    )
    scope: Scope = "all"
    top: int = Field(3, ge=1, le=64, description="features per image, by weighted response")
    batch_size: int = Field(32, ge=1)


class IouConfig(Strict):
    """Overlap of heatmaps and masks (VEBI 4.3)."""

    thresholds: int = Field(101, ge=2, description="equally spaced in [0, 1]")
    bootstrap: int = Field(2000, ge=1, description="resamples of the images behind each interval")


class PanelConfig(Strict):
    """Figures that show examples."""

    images: int = Field(6, ge=1, le=64, description="images per panel figure")


class Config(Strict):
    """A whole run."""

    run: Name
    seed: int = Field(0, ge=0, description="root of every random draw but training's")
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, description="one network each")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_threads: int = Field(
        1, ge=1, description="threads a job computes with; changes last digits"
    )
    datasets: dict[Name, DatasetConfig] = Field(min_length=1)
    models: dict[Name, ModelConfig] = Field(min_length=1)
    experiments: list[ExperimentConfig] = Field(min_length=1)
    selection: SelectionConfig
    ablation: AblationConfig = AblationConfig()
    heatmaps: HeatmapConfig = HeatmapConfig()
    iou: IouConfig = IouConfig()
    panels: PanelConfig = PanelConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        problems = [
            problem
            for number, experiment in enumerate(self.experiments)
            for problem in self._experiment_problems(f"experiments.{number}", experiment)
        ]
        for key in ("seeds", "selection.mu", "selection.scopes", "heatmaps.methods", "experiments"):
            values: Any = self
            for part in key.split("."):
                values = getattr(values, part)
            names = [(v.dataset, v.model) if key == "experiments" else v for v in values]
            if len(set(names)) < len(names):
                problems.append(f"{key}: the same value stands there twice")
        if self.heatmaps.scope not in self.selection.scopes:
            problems.append(
                f"heatmaps.scope: '{self.heatmaps.scope}' is not in selection.scopes "
                f"({', '.join(self.selection.scopes)})"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _experiment_problems(self, key: str, experiment: ExperimentConfig) -> list[str]:
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
        expected = ARCHITECTURE_SHAPES[model.architecture]
        if dataset.shape != expected:
            problems.append(
                f"{key}: images of '{experiment.dataset}' are {dataset.shape} (height, width, channels), "
                f"but architecture '{model.architecture}' takes {expected}"
            )
        if experiment.heatmap_mu not in self.selection.mu:
            allowed = ", ".join(f"{mu:g}" for mu in self.selection.mu)
            problems.append(
                f"{key}.heatmap_mu: {experiment.heatmap_mu:g} is not in selection.mu; allowed: {allowed}"
            )
        return problems


def parse_config(values: Mapping[str, Any]) -> Config:
    """Check a configuration; raise one VebiError that lists every problem.

    Each line names the key, the value and what is allowed.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = [line for item in error.errors() for line in _describe(item)]
        count = "One problem" if len(lines) == 1 else f"{len(lines)} problems"
        message = "\n".join(f"  - {line}" for line in lines)
        raise VebiError(
            f"{count} in the configuration (config/README.md explains every key):\n{message}"
        ) from None


def _unknown(key: str, value: str, allowed: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(value, allowed, 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{key}: '{value}' is not there; allowed: {', '.join(allowed)}{hint}"


def _describe(item: Any) -> list[str]:
    """One line per problem that pydantic reports."""
    kind, value = item["type"], item["input"]
    where = list(item["loc"])
    if where[:1] == ["datasets"] and len(where) > 2:
        del where[2]  # the kind, which pydantic puts there, is no key of the file
    key = ".".join(str(part) for part in where)
    if kind == "value_error":
        message = str(item["ctx"]["error"])
        return [f"{key}: {line}" if key else line for line in message.splitlines()]
    if kind == "extra_forbidden":
        allowed = _keys_at(where[:-1], item["loc"])
        close = difflib.get_close_matches(str(where[-1]), allowed, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return [f"{key}: unknown key; allowed: {', '.join(allowed)}{hint}"]
    if kind == "union_tag_invalid":
        return [
            f"{key}.kind: '{item['ctx']['tag']}' is unknown; allowed: {item['ctx']['expected_tags']}"
        ]
    if kind == "union_tag_not_found":
        return [f"{key}.kind: is missing"]
    if kind == "missing":
        return [f"{key}: is missing"]
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        return [f"{key}: '{value}' is text, a number is expected (YAML wants 1.0e-3, not 1e-3)"]
    text = item["msg"][0].lower() + item["msg"][1:]
    return [f"{key}: {value!r} is not allowed; {text}"]


def _keys_at(where: list[Any], location: tuple[Any, ...]) -> list[str]:
    """The keys that the configuration knows at a place, found by walking the typed models."""
    if not where:
        return list(Config.model_fields)
    sections: dict[str, type[BaseModel]] = {
        "selection": SelectionConfig,
        "ablation": AblationConfig,
        "heatmaps": HeatmapConfig,
        "iou": IouConfig,
        "panels": PanelConfig,
        "models": ModelConfig,
        "experiments": ExperimentConfig,
    }
    kinds: dict[Any, type[BaseModel]] = {
        "an8flower": An8FlowerConfig,
        "digits": DigitsConfig,
        "mnist": MnistConfig,
    }
    if where[0] == "datasets":
        return list(kinds[location[2]].model_fields)
    return list(sections[where[0]].model_fields)
