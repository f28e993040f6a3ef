"""What to compare the selected features with where whole layers are selected."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.record import Study, Tabulation

STUDY = Study(
    name="controls",
    title="Controls where whole layers are selected",
    place="VEBI, section 4.1",
    question=paragraph("""
        In a layer of 16 channels of which 14 are selected, 14 drawn at random are mostly the same
        ones: a control that is matched by layer leaves nothing to compare. So two more: features
        that were not selected but carry as much of their layer's response (norm), and as large a
        part of other layers (share).
    """),
    section="ablation",
    tables={
        "ablation_controls": Table(
            keys=(*RUN_KEYS, "scope", "mu", "control"),
            values=(
                *("n_selected", "n_control", "overlap", "leaves_something", "largest_layer_share"),
                *("norm_selected", "norm_control", "drop_selected", "drop_control"),
                *("difference", "ci_low", "ci_high", "n_images", "repeats"),
            ),
            text_values=("leaves_something",),
            caption=paragraph("""
                Removing the selected features against four controls. *overlap*: the part of the
                control that are selected features themselves; where it is half or more,
                *leaves_something* is *no* and the difference says little. *largest_layer_share*:
                the most that the control takes of one layer. *norm*: the sum of the removed
                features' mean shares of their layers' responses. Drops of mean class accuracy; the
                95 % interval is over test images, for this network and the mean of these draws.
            """),
            allowed=(
                Allowed("n_*", "close", atol=3, rtol=0.1, why="as n_features in selection.csv"),
                Allowed("leaves_something", "exact"),
                Allowed("*", "close", atol=0.1, why="single draws spread by this much"),
            ),
        ),
    },
    wanted=lambda plan: plan.config.controls is not None and bool(plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.controls.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"controls/{RUN}/controls.csv")},
    ),
    jobs={"match_controls": "network"},
)
