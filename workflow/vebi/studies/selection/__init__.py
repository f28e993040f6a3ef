"""Which features the mu-Lasso selects, along the whole path (VEBI 3.1)."""

from pathlib import Path

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.columns import FEATURE_COUNT, RELATIVE_GAP
from vebi.studies.record import Figure, Study, Tabulation


def _of_scopes(plan: Plan, name: str) -> list[Path]:
    """A file of every run and scope, in the order of the runs."""
    return [
        plan.results / "selection" / RUN.format(**run) / scope / name
        for run in plan.runs()
        for scope in plan.config.selection.scopes
    ]


STUDY = Study(
    name="selection",
    title="Which features carry a class",
    place="VEBI, section 3.1 and Fig. 5",
    question=paragraph("""
        Of the hundreds of filters of a network, which few predict each class? An image is described
        by how strongly each filter responds; the mu-Lasso (Eq. 1) then finds, for each class,
        weights whose absolute values sum to at most mu. Small mu, few filters. Here the solution is
        exact for every mu.
    """),
    tables={
        "selection_seeds": Table(
            keys=("dataset", "model", "scope", "mu"),
            values=("n_features_mean", "n_features_min", "n_features_max", "n_seeds"),
            caption=paragraph("""
                Numbers of selected features: mean, smallest and largest over the networks of an
                experiment.
            """),
            allowed=(
                Allowed("n_seeds", "exact"),
                FEATURE_COUNT,
            ),
        ),
        "selection": Table(
            keys=(*RUN_KEYS, "scope", "mu"),
            values=(
                "n_features",
                "n_features_total",
                "features_per_class",
                "objective",
                "relative_gap",
            ),
            formats={"objective": "%.9g"},
            caption=paragraph("""
                A row per network, scope and mu: features selected in any class, their mean number
                per class, the squared error, and the largest relative duality gap, which bounds how
                far a solution is from the optimum.
            """),
            allowed=(
                RELATIVE_GAP,
                Allowed("objective", "close", rtol=0.05),
                Allowed(
                    "n_features*",
                    "close",
                    atol=3,
                    rtol=0.1,
                    why="features near the edge of the path enter or leave",
                ),
                Allowed(
                    "features_per_class",
                    "follows",
                    why="a list as text; its sum is n_features_total",
                ),
            ),
        ),
        "selected_features": Table(
            keys=(*RUN_KEYS, "scope", "mu", "class", "layer", "channel"),
            values=("layer_type", "weight"),
            text_values=("layer_type",),
            formats={"weight": "%.9g"},
            caption=paragraph("""
                Every selected feature: class, layer, channel and weight. A positive weight speaks
                for the class, a negative one against it.
            """),
            allowed=(
                Allowed(
                    "(rows)",
                    "follows",
                    why="which of two equally good features is taken depends on a network's last bits",
                ),
                Allowed("weight", "follows", rtol=0.05),
            ),
        ),
    },
    figures={
        "selection_path": Figure(
            draw="vebi.studies.selection.figures:draw_paths",
            caption=paragraph("""
                What the mu-Lasso selects as mu grows: the number of features with a weight in any
                class, and what is left of the squared error. A line per network; *All* may choose
                from every layer, *OnlyConv* from convolutions only.
            """),
            inputs=lambda plan: {"paths": _of_scopes(plan, "path.h5")},
            settings=lambda plan, _: {
                "runs": [
                    {**run, "scope": scope}
                    for run in plan.runs()
                    for scope in plan.config.selection.scopes
                ]
            },
            memory_mb=2000,
        ),
    },
    wanted=lambda plan: bool(plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.selection.tables:tabulate",
        inputs=lambda plan: {
            "selection": _of_scopes(plan, "selection.csv"),
            "selected_features": _of_scopes(plan, "selected_features.csv"),
        },
    ),
)
