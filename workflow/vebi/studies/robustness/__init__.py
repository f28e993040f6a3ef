"""Whether the paper's orderings hold for other variants of its method (VEBI 4.1 and 4.3)."""

from vebi.io.tables import Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="robustness",
    title="Do the orderings depend on the settings",
    place="in addition to the works",
    question=paragraph("""
        Text and code of the paper differ in places, and some settings are not given. In which
        variants of the method do its orderings hold?
    """),
    tables={
        "robustness_summary": Table(
            keys=("comparison", "factor", "level"),
            values=(
                *("n_settings", "n_holds", "n_undecided", "n_reversed", "difference_smallest"),
                *("difference_median", "difference_largest", "statement"),
            ),
            text_values=("statement",),
            caption=paragraph("""
                In how many settings each comparison holds: over all, and at each level of every
                factor.
            """),
            allowed=(
                Allowed("n_settings", "exact"),
                Allowed("n_*", "close", atol=2, why="settings whose interval ends near zero"),
                Allowed("difference_*", "close", atol=0.05),
                Allowed("statement", "show", why="the counts in words"),
            ),
        ),
        "robustness": Table(
            keys=("dataset", "model", "descriptor", "nonnegative", "mu", "comparison"),
            values=(
                *("mean_difference", "ci_low", "ci_high", "p_value", "p_value_seeds"),
                *("seeds_agree", "n_seeds", "n_images", "n_scenes", "verdict", "arm"),
                *("reference_arm", "over"),
            ),
            caption=paragraph("""
                Each comparison in each setting: mean difference, with its 95 % interval and p-value
                over what *over* says (networks and scenes, or the scenes of one network), p-value
                over networks alone, and the verdict of the interval. *arm* and *reference_arm*:
                both sides by themselves, areas under the IoU curve or drops in accuracy.
            """),
            allowed=(
                Allowed("mean_difference", "interval", atol=0.03),
                Allowed("ci_*", "close", atol=0.05),
                Allowed("*arm", "close", atol=0.1),
                Allowed("p_value*", "close", atol=0.3, why="its t spreads as the accuracies do"),
                Allowed("n_*", "exact"),
                Allowed(
                    "seeds_agree", "close", atol=1, why="a network whose difference is near zero"
                ),
                Allowed(
                    "verdict",
                    "follows",
                    why="an interval that ends near zero may cross it; its ends are compared",
                ),
            ),
        ),
    },
    figures={
        "robustness": Figure(
            draw="vebi.studies.robustness.figures:draw_robustness",
            caption=paragraph("""
                In which variants of the method the paper's orderings hold (green), are undecided
                (grey) or are reversed (red). A cell is a setting: network, descriptor, sign of the
                weights, mu.
            """),
            reads=("robustness",),
        ),
    },
    wanted=lambda plan: bool(plan.config.robustness and plan.masked),
    tabulate=Tabulation(
        function="vebi.studies.robustness.tables:tabulate_with_scenes",
        inputs=lambda plan: {
            "paths": plan.files(f"robustness/{RUN}/robustness.h5", plan.runs(plan.masked)),
            "datasets": plan.dataset_files(plan.datasets(plan.masked)),
        },
        settings=lambda plan: {
            "runs": plan.runs(plan.masked),
            "names": plan.datasets(plan.masked),
        },
    ),
    jobs={"study_robustness": "network"},
)
