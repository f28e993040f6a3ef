"""The figure of the mu-Lasso's path."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from vebi.figures.grid import new_grid
from vebi.figures.style import CONDITION_COLOURS, SCOPE_NAMES, styled


@styled
def draw_selection_path(
    counts: dict[tuple[str, str, str], dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]],
    n_images: Mapping[tuple[str, str], int],
) -> Figure:
    """Features selected (union over classes) and objective against mu, from the exact path.

    `counts[dataset, model, scope][seed]` = (mu, features, objective per training image);
    `n_images[dataset, model]`: images that the features are selected from.
    """
    experiments = list(dict.fromkeys(key[:2] for key in counts))
    figure, axes = new_grid(len(experiments), 2, height=2.5)
    for column, experiment in enumerate(experiments):
        upper, lower = axes[0, column], axes[1, column]
        for (dataset, model, scope), per_seed in counts.items():
            if (dataset, model) != experiment:
                continue
            colour = CONDITION_COLOURS["selected" if scope == "all" else "random_layer_matched"]
            for number, (mu, features, objective) in enumerate(per_seed.values()):
                label = SCOPE_NAMES[scope] if number == 0 else None
                upper.plot(mu, features, color=colour, alpha=0.8, lw=1, label=label)
                lower.plot(mu, objective, color=colour, alpha=0.8, lw=1, label=label)
        for axis in (upper, lower):
            axis.set_xscale("log")
            axis.set_xlabel("mu")
        title = f"{experiment[0]}\n{experiment[1]}, {n_images[experiment]:,} images"
        upper.set(title=title, ylabel="features selected")
        lower.set(ylabel="squared error per image")
        upper.legend(fontsize=7, title="a line per seed", title_fontsize=7)
    return figure
