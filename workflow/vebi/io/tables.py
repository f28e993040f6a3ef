"""The result tables: their columns, their order, and one way to write them.

Every table is UTF-8 CSV with LF line ends, rows sorted by the key columns and floats in a fixed
format, so that equal results are equal bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.io.errors import VebiError
from vebi.io.files import atomic_path

RUN_KEYS = ("dataset", "model", "seed")
# Key columns that hold numbers. The others are names, also where they look like a number.
NUMBER_KEYS = frozenset(
    ("seed", "mu", "class", "channel", "repeat", "threshold", "covered_fraction", "k", "epoch")
)


@dataclass(frozen=True)
class TableSpec:
    """Columns of a table. `formats` are printf formats of the float columns that need their own."""

    keys: tuple[str, ...]
    values: tuple[str, ...]
    formats: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return [*self.keys, *self.values]


FLOAT = "%.6f"
# Keys, values and formats of tables that are made alike.
_MCGILL: tuple[tuple[str, ...], tuple[str, ...], dict[str, str]] = (
    ("model", "mu", "variant", "solver"),
    (
        *("filters_dropped", "accuracy_selected", "accuracy_random_mean", "accuracy_random_std"),
        *("selected_ci_low", "selected_ci_high", "random_ci_low", "random_ci_high"),
        *("difference", "difference_ci_low", "difference_ci_high"),
        *("filters", "n_seeds", "n_draws", "relative_gap", "reduced"),
        *("published_dropped", "published_filters", "published_selected", "published_random"),
    ),
    {
        **{"mu": "%g", "filters_dropped": "%.2f", "relative_gap": "%.2e"},
        **{"published_dropped": "%.0f", "published_filters": "%.0f"},
    },
)
_CLAIMS: tuple[tuple[str, ...], tuple[str, ...]] = (
    ("claim_id",),
    ("source", "statement", "published", "measured", "ci_low", "ci_high", "verdict"),
)

TABLES: dict[str, TableSpec] = {
    "training": TableSpec(
        RUN_KEYS,
        (
            "epochs",
            "train_accuracy",
            "test_accuracy",
            "test_accuracy_ci_low",
            "test_accuracy_ci_high",
            "n_test",
        ),
    ),
    "selection": TableSpec(
        (*RUN_KEYS, "scope", "mu"),
        (
            "n_features",
            "n_features_total",
            "features_per_class",
            "objective",
            "relative_gap",
        ),
        {"mu": "%g", "objective": "%.9g", "relative_gap": "%.2e"},
    ),
    "selection_seeds": TableSpec(
        ("dataset", "model", "scope", "mu"),
        ("n_features_mean", "n_features_min", "n_features_max", "n_seeds"),
        {"mu": "%g"},
    ),
    "selected_features": TableSpec(
        (*RUN_KEYS, "scope", "mu", "class", "layer", "channel"),
        ("layer_type", "weight"),
        {"mu": "%g", "weight": "%.9g"},
    ),
    "ablation": TableSpec(
        (*RUN_KEYS, "scope", "mu", "condition", "repeat"),
        (
            "n_ablated",
            "mean_class_accuracy",
            "n_images",
            "accuracy_ci_low",
            "accuracy_ci_high",
        ),
        {"mu": "%g"},
    ),
    "iou_curve": TableSpec(
        (*RUN_KEYS, "method", "threshold"),
        ("mean_iou", "ci_low", "ci_high"),
        {"threshold": "%.4f"},
    ),
    "iou_auc": TableSpec(
        (*RUN_KEYS, "method"),
        (
            "auc",
            "auc_ci_low",
            "auc_ci_high",
            "best_iou",
            "n_images",
            "auc_correct_only",
            "n_correct",
        ),
    ),
    "iou_paired": TableSpec(
        ("dataset", "model", "method", "reference"),
        (
            *("auc_difference", "ci_low", "ci_high", "n_seeds", "n_images"),
            *("p_value", "n_scenes"),
        ),
    ),
    "localisation": TableSpec(
        (*RUN_KEYS, "method"),
        (
            *("relevance_mass", "relevance_mass_ci_low", "relevance_mass_ci_high"),
            *("relevance_rank", "relevance_rank_ci_low", "relevance_rank_ci_high"),
            *("pointing", "pointing_ci_low", "pointing_ci_high", "n_images"),
        ),
    ),
    "distractors": TableSpec(
        (*RUN_KEYS, "method"),
        (
            *("mass_on_part", "mass_on_part_ci_low", "mass_on_part_ci_high"),
            *("mass_on_distractors", "mass_on_distractors_ci_low", "mass_on_distractors_ci_high"),
            *("mass_elsewhere", "mass_elsewhere_ci_low", "mass_elsewhere_ci_high"),
            *("area_part", "area_distractors", "area_elsewhere"),
            *("distractor_auc", "distractor_auc_ci_low", "distractor_auc_ci_high", "n_images"),
        ),
    ),
    "ablation_effect": TableSpec(
        ("dataset", "model", "scope", "mu", "control"),
        (
            "n_ablated",
            "drop_selected",
            "drop_control",
            "difference",
            "ci_low",
            "ci_high",
            "n_seeds",
            "p_value",
            "n_images",
            "n_scenes",
        ),
        {"mu": "%g"},
    ),
    "robustness": TableSpec(
        ("dataset", "model", "descriptor", "nonnegative", "mu", "comparison"),
        (
            "mean_difference",
            "ci_low",
            "ci_high",
            "p_value",
            "p_value_seeds",
            "seeds_agree",
            "n_seeds",
            "n_images",
            "n_scenes",
            "verdict",
        ),
        {"mu": "%g"},
    ),
    "robustness_summary": TableSpec(
        ("comparison", "factor", "level"),
        (
            "n_settings",
            "n_holds",
            "n_undecided",
            "n_reversed",
            "difference_smallest",
            "difference_median",
            "difference_largest",
            "statement",
        ),
    ),
    "feature_counts": TableSpec(
        ("dataset", "model", "seed", "descriptor", "nonnegative", "scope", "mu"),
        ("n_features", "n_features_total", "relative_gap"),
        {"mu": "%g", "relative_gap": "%.2e"},
    ),
    "mcgill_matconvnet": TableSpec(*_MCGILL),
    "mcgill_keras": TableSpec(*_MCGILL),
    "mcgill_networks": TableSpec(
        ("model", "seed"),
        (
            *("kind", "dataset", "epochs", "train_accuracy", "test_accuracy", "n_filters"),
            *("published_filters", "published_accuracy", "reduced"),
        ),
    ),
    "mcgill_solvers": TableSpec(
        ("model", "seed", "labels", "scope", "solver", "mu"),
        (
            *("n_features", "n_features_total", "relative_gap", "iterations", "classes_at_limit"),
            "peak_memory_gb",
        ),
        {"mu": "%g", "relative_gap": "%.2e"},
    ),
    "mcgill_curves": TableSpec(
        ("model", "seed", "removal", "solver", "condition", "mu"),
        ("n_removed", "accuracy", "accuracy_low", "accuracy_high", "n_filters", "reduced"),
        {"mu": "%g"},
    ),
    "mcgill_tipping_point": TableSpec(
        ("model", "removal", "solver", "condition"),
        (
            *("filters_at_50", "ci_low", "ci_high", "filters_at_10", "filters_at_90"),
            *("largest_removed", "n_filters", "n_seeds", "n_seeds_reached", "reduced"),
        ),
        dict.fromkeys(
            ("filters_at_50", "ci_low", "ci_high", "filters_at_10", "filters_at_90"), "%.2f"
        ),
    ),
    "mcgill_verdict": TableSpec(
        ("model",),
        (
            *("verdict", "as_in_the_report", "corrected", "shift", "shift_ci_low", "shift_ci_high"),
            *("by_removal", "by_removal_ci_low", "by_removal_ci_high"),
            *("by_solver", "by_solver_ci_low", "by_solver_ci_high", "plateau", "fall"),
            *("n_censored", "peer", "n_seeds", "reduced", "conclusion"),
        ),
    ),
    "mcgill_invariance": TableSpec(
        ("model", "mu", "comparison", "seeds"),
        (
            *("n_first", "n_second", "n_filters", "n_shared", "jaccard", "jaccard_expected"),
            *("p_value", "jaccard_expected_per_layer", "p_value_per_layer"),
        ),
        {"mu": "%g", "p_value": "%.3e", "p_value_per_layer": "%.3e"},
    ),
    "mcgill_sensitivity": TableSpec(
        ("model", "seed", "factor", "level", "repeat", "mu", "layer"),
        ("n_selected", "n_features", "n_shared", "n_reference"),
        {"mu": "%g", "n_shared": "%.0f", "n_reference": "%.0f"},
    ),
    "mcgill_claims": TableSpec(*_CLAIMS),
    "occlusion": TableSpec(
        (*RUN_KEYS, "method", "covered_fraction"),
        (
            "mean_confidence",
            "n_images",
            "ci_low",
            "ci_high",
            "mean_confidence_drop",
            "n_draws",
        ),
        {"covered_fraction": "%.4f"},
    ),
    "occlusion_paired": TableSpec(
        ("dataset", "model", "method", "reference"),
        (
            "difference",
            "ci_low",
            "ci_high",
            "p_value",
            "absolute_difference",
            "absolute_ci_low",
            "absolute_ci_high",
            "curve_difference",
            "published_difference",
            "n_seeds",
            "n_images",
            "n_scenes",
        ),
    ),
    "sanity": TableSpec(
        (*RUN_KEYS, "method", "randomised_up_to"),
        ("rank_correlation", "ci_low", "ci_high", "n_images", "ssim", "step"),
    ),
    "sanity_paired": TableSpec(
        ("dataset", "model", "method", "reference", "randomised_up_to"),
        ("difference", "ci_low", "ci_high", "p_value", "n_seeds", "n_images", "n_scenes"),
    ),
    "sanity_verdict": TableSpec(
        ("dataset", "model", "method"),
        (
            *("correlation_top", "top_ci_low", "top_ci_high"),
            *("correlation_all", "ci_low", "ci_high", "lost_at"),
            *("correlation_random_labels", "random_label_accuracy", "n_seeds", "n_images"),
            "verdict",
        ),
    ),
    "resampling": TableSpec(
        (*RUN_KEYS, "perturbation", "layer", "metric", "k", "epoch"),
        (
            "score_drop_mean",
            "ci_low",
            "ci_high",
            "accuracy_drop",
            "patch_accuracy",
            "overlap",
            "overlap_null",
            "accuracy_drop_ci_low",
            "accuracy_drop_ci_high",
            "n_removed",
            "n_images",
            "patch_ci_low",
            "patch_ci_high",
            "patch_area",
            "n_patch_images",
        ),
    ),
    "resampling_similarity": TableSpec(
        (*RUN_KEYS, "perturbation", "layer", "k", "epoch"),
        ("published", "dice", "jaccard", "published_null", "n_images"),
    ),
    "resampling_transfer": TableSpec(
        (*RUN_KEYS, "perturbation", "layer", "metric", "k"),
        (
            *("fires_same", "fires_same_ci_low", "fires_same_ci_high"),
            *("fires_other", "fires_other_ci_low", "fires_other_ci_high"),
            *("selectivity", "selectivity_ci_low", "selectivity_ci_high"),
            "n_images",
        ),
    ),
    "resampling_overlap": TableSpec(
        (*RUN_KEYS, "perturbation", "layer", "first", "second", "k"),
        (
            *("n_channels", "size_first", "size_second"),
            *("common", "ci_low", "ci_high", "common_null", "share_beyond_chance"),
            *("published", "dice", "jaccard", "n_images"),
        ),
    ),
    "resampling_claims": TableSpec(
        (*RUN_KEYS, "perturbation", "claim", "reference"),
        ("k", "measure", "difference", "ci_low", "ci_high", "n_images", "verdict"),
    ),
    "artefacts": TableSpec(
        (*RUN_KEYS, "method", "layer"),
        (
            *("cumulative_stride", "grid_artefact_score", "ci_low", "ci_high", "n_images"),
            *("layer_number", "share_selected"),
        ),
        {"cumulative_stride": "%g"},
    ),
    "artefacts_paired": TableSpec(
        ("dataset", "model", "layer", "method", "reference"),
        (
            *("score_difference", "ci_low", "ci_high", "p_value", "n_seeds", "n_images"),
            *("n_scenes", "cumulative_stride", "layer_number"),
        ),
        {"cumulative_stride": "%g"},
    ),
    "claims": TableSpec(_CLAIMS[0], (*_CLAIMS[1], "place", "rule", "table", "note", "networks")),
}


def write_table(path: str | Path, frame: pd.DataFrame, name: str) -> None:
    """Write `frame` as table `name` of the contract; wrong columns or a repeated key are errors."""
    spec = TABLES[name]
    if set(frame.columns) != set(spec.columns):
        raise VebiError(
            f"table {name} has columns {sorted(frame.columns)}, expected {sorted(spec.columns)}."
        )
    keys = list(spec.keys)
    if frame.duplicated(keys).any():
        repeated = frame.loc[frame.duplicated(keys), keys].iloc[0].to_dict()
        raise VebiError(f"table {name} has two rows with the key {repeated}.")
    ordered = frame[spec.columns].sort_values(keys, kind="stable", ignore_index=True)
    for column in ordered.columns:
        if pd.api.types.is_float_dtype(ordered[column]):
            form = spec.formats.get(column, FLOAT)
            # A zero is a zero: rounding must not leave a sign that differs between machines.
            text = [(form % value).replace("nan", "") for value in ordered[column]]
            ordered[column] = [t[1:] if t == "-" + form % 0.0 else t for t in text]
    with atomic_path(path) as temporary:
        ordered.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_table(path: str | Path, name: str) -> pd.DataFrame:
    """Read a table of the contract; raises VebiError if it is another file."""
    spec = TABLES[name]
    try:
        text = [key for key in spec.keys if key not in NUMBER_KEYS]
        frame = pd.read_csv(path, dtype=dict.fromkeys(text, str))
    except (OSError, ValueError) as error:
        raise VebiError(f"{path} can't be read as the table {name} ({error}).") from error
    missing = [key for key in spec.columns if key not in frame.columns]
    if missing:
        raise VebiError(f"{path} is no table {name}: it lacks the columns {', '.join(missing)}.")
    return frame


def stack_runs(
    parts: Sequence[str | Path], runs: Sequence[Mapping[str, Any]], last_row_only: bool = False
) -> pd.DataFrame:
    """Stack the CSV files of several runs, with the run's keys (dataset, model, seed) in front.

    `parts` are in the order of `runs`, the same number of files for each. `last_row_only` keeps the
    end of a training history, with the number of its epochs.
    """
    per_run = len(parts) // len(runs)
    frames = []
    for number, part in enumerate(parts):
        frame = pd.read_csv(part)
        if last_row_only:
            frame = frame.tail(1).rename(columns={"epoch": "epochs"}).drop(columns="loss")
        for position, (key, value) in enumerate(runs[number // per_run].items()):
            frame.insert(position, key, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
