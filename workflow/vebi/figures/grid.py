"""Parts that figures of tables share: a grid of panels, a column per experiment, counts in words."""

import pandas as pd

from vebi.figures.style import new_figure


def new_grid(n_columns: int, n_rows: int = 1, width: float = 3.6, height: float = 2.9) -> tuple:
    figure, axes = new_figure(n_rows, n_columns, figsize=(width * n_columns, height * n_rows))
    return figure, axes


def get_experiments(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(table["dataset"], table["model"], strict=True)))


def rows_of(table: pd.DataFrame, dataset: str, model: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["model"] == model)]


def describe_sample(images: int, seeds: int) -> str:
    """How much data stands behind a figure, in words."""
    return f"{images} test images, {seeds} seed{'s' * (seeds != 1)}"
