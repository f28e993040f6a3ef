"""Removing features from a network (VEBI 4.1)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.columns import interval
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="ablation",
    title="Does the network need them",
    place="VEBI, section 4.1 and Fig. 4",
    question=paragraph("""
        If the selected filters carry the classes, a network without them should fail, and sooner
        than without as many filters drawn at random. The hard comparison is with random filters of
        the same layers.
    """),
    tables={
        "ablation_effect": Table(
            keys=("dataset", "model", "scope", "mu", "control"),
            values=(
                *("n_ablated", "drop_selected", "drop_control", "difference", "ci_low", "ci_high"),
                *("n_seeds", "p_value", "n_images", "n_scenes", "n_draws", "control_sd", "over"),
            ),
            caption=paragraph("""
                What removing the selected features costs beyond removing as many others: difference
                of the two drops in accuracy, mean over networks, with a 95 % interval and its
                p-value over what *over* says: networks, networks and base scenes, or the scenes of
                one network. *control*: drawn from all layers (*random*), from those that have
                selected features, as in the paper (*random_selected_layers*), or as many per layer
                as are selected there (*random_layer_matched*); *control_sd* is the spread between
                its draws.
            """),
            allowed=(
                Allowed("n_draws", "exact"),
                Allowed("difference", "interval", atol=0.05),
                Allowed("n_ablated", "close", atol=3, rtol=0.1),
                Allowed("p_value", "close", atol=0.2, why="its t spreads as the accuracies do"),
                *allow("n_images", "n_scenes", "n_seeds", kind="exact"),
                Allowed("*", "close", atol=0.1),
            ),
        ),
        "ablation": Table(
            keys=(*RUN_KEYS, "scope", "mu", "condition", "repeat"),
            values=("n_ablated", "mean_class_accuracy", "n_images", *interval("accuracy"), "over"),
            caption=paragraph("""
                Mean class accuracy of each network after removing features: a row per scope, mu,
                condition and draw. *none* is the whole network. Intervals: 95 % over the scenes of
                the test images (over images where each is a scene of its own).
            """),
            allowed=(
                Allowed("n_ablated", "close", atol=3, rtol=0.1, why="as n_features"),
                Allowed("n_images", "exact"),
                Allowed("accuracy_ci_*", "close", atol=0.1, why="as the accuracy between them"),
                Allowed("mean_class_accuracy", "close", atol=0.1, why="single draws spread so far"),
            ),
        ),
    },
    figures={
        "ablation_bars": Figure(
            draw="vebi.studies.ablation.figures:draw_ablation_bars",
            caption=paragraph("""
                The paper's Fig. 4 for this run: mean class accuracy of the whole network, without
                the selected features (*All* and *OnlyConv*), and without as many random ones, drawn
                layer by layer, from the layers of the selected ones, as in the paper, or from all.
                Dots: the networks, means over their draws.
            """),
            reads=("ablation",),
            settings=lambda plan, _: {
                "mu_of": {(e.dataset, e.model): e.heatmap_mu for e in plan.config.experiments}
            },
        ),
        "ablation": Figure(
            draw="vebi.studies.ablation.figures:draw_ablation",
            caption=paragraph("""
                Mean class accuracy on test images after features are set to zero, over mu: the
                selected ones, as many drawn at random from all features, from the layers that have
                selected ones, and as many in each layer as are selected there. Lines: means over
                networks and draws; bands: their range.
            """),
            reads=("ablation",),
        ),
    },
    wanted=lambda plan: bool(plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.ablation.tables:tabulate",
        inputs=lambda plan: {
            "ablation": plan.files(f"ablation/{RUN}/ablation.csv"),
            "hits": plan.files(f"ablation/{RUN}/hits.h5"),
            "datasets": plan.dataset_files(plan.datasets()),
        },
        settings=lambda plan: {
            "runs": plan.runs(),
            "names": plan.datasets(),
        },
    ),
    jobs={"ablate": "network"},
)
