"""What the McGill report printed, and how each of its two experiments was set up."""

from dataclasses import dataclass, field
from typing import Any, Literal

from vebi.config.datasets import DatasetConfig
from vebi.config.mcgill import McGillNetworkConfig
from vebi.config.models import ModelConfig
from vebi.config.whole import Config

# Iteration limits of the solvers by name; None: the exact path, which needs no limit. With its
# default settings spgl1 would go on for 10 N iterations, but version 0.0.3 ends in an IndexError at the
# 10,000th: `spgl1` is the longest call that returns. `spgl1_1000` stops a tenth of the way.
SOLVERS: dict[str, int | None] = {"path": None, "spgl1": 9_999, "spgl1_1000": 1_000}

# Their removal sets `kernel[:, :, 0, filter]` and the bias to zero: of a kernel (height, width, inputs,
# filters) only the part that reads the first input. `complete` sets the filter's whole response to zero.
REMOVALS = ("complete", "partial")
# Where as many random filters are drawn: from all layers, or in each layer as many as are selected.
CONTROLS = ("random", "random_layer_matched")


@dataclass(frozen=True)
class Printed:
    """A row of the report: accuracies in [0, 1], None where nothing is printed."""

    selected: float | None = None
    random: float | None = None
    dropped: int | None = None


@dataclass(frozen=True)
class ReportedExperiment:
    """One of the two experiments.

    descriptor: a name of the catalogue's DESCRIPTORS. labels: what they regressed on. rows: the sets of
    filters that are removed, the first is the one that the tipping point is about. evaluation: the
    column of the study that they looked at. control: how they drew random filters. total: filters in
    their network. printed[rows][mu].
    """

    descriptor: str
    labels: Literal["annotations", "predictions"]
    rows: tuple[str, ...]
    evaluation: str
    evaluations: tuple[str, ...]
    control: str
    removal: str
    total: int
    epochs: int
    width: int | None
    printed: dict[str, dict[float, Printed]] = field(default_factory=dict)

    @property
    def scopes(self) -> tuple[Literal["all", "conv"], ...]:
        """The scopes of the mu-Lasso that the rows need."""
        return ("all", "conv") if "conv" in self.rows[1:] else ("all",)

    @property
    def printed_mu(self) -> tuple[float, ...]:
        return tuple(self.printed[self.rows[0]])


REPORTED: dict[str, ReportedExperiment] = {
    # Fig. 3. "Conv" may mean a mu-Lasso on the 70 convolution features alone (`conv`), or the
    # convolution filters among those selected from all 570 (`conv_of_all`): the report does not say.
    "matconvnet": ReportedExperiment(
        descriptor="mcgill_matconvnet",
        labels="predictions",
        rows=("conv_dense", "conv", "conv_of_all"),
        evaluation="train_agreement",
        evaluations=("train_agreement", "train", "test"),
        control="random",
        removal="complete",
        total=570,
        epochs=20,
        width=None,
        printed={
            "conv_dense": {
                10.0: Printed(0.86, 0.99, 17),
                100.0: Printed(0.30, 0.96, 175),
                200.0: Printed(0.21, 0.32, 387),
            },
            "conv": {10.0: Printed(0.875, 0.9034)},
            "conv_of_all": {10.0: Printed(0.875, 0.9034)},
        },
    ),
    # Fig. 4, with dropout.
    "keras": ReportedExperiment(
        descriptor="mcgill_keras",
        labels="annotations",
        rows=("conv",),
        evaluation="test",
        evaluations=("test",),
        control="random_layer_matched",
        removal="partial",
        total=640,
        epochs=5,
        width=128,
        printed={
            "conv": {
                10.0: Printed(0.9901, 0.9914, 23),
                100.0: Printed(0.9881, 0.9908, 69),
                500.0: Printed(0.8003, 0.9871, 301),
                600.0: Printed(0.5861, 0.9847, 333),
                700.0: Printed(0.1142, 0.9873, 397),
            }
        },
    ),
}
# Test accuracy of their Keras network before any removal.
PRINTED_KERAS_ACCURACY = 0.9919


def is_full_size(kind: str, dataset: DatasetConfig, model: ModelConfig) -> bool:
    """Whether a network has the data, the width and the length of training of the report's.

    Args:
        kind: which of REPORTED it stands for.
        dataset: the data set that it is trained on.
        model: its architecture and training.
    """
    reported = REPORTED[kind]
    return (
        dataset.kind == "mnist"
        and dataset.train_images is None
        and dataset.test_images is None
        and model.epochs >= reported.epochs
        and model.kwargs.get("width", 128) == (reported.width or 128)
    )


def describe(config: Config, network: McGillNetworkConfig) -> dict[str, Any]:
    """What the tables and the claims must know of a network: model, kind, dataset, full (its size)."""
    dataset, model = config.datasets[network.dataset], config.models[network.model]
    return {
        "model": network.model,
        "kind": network.kind,
        "dataset": network.dataset,
        "full": is_full_size(network.kind, dataset, model),
    }
