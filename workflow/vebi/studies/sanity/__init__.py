"""Sanity checks for saliency maps (Adebayo et al. 2018): do maps depend on what was learnt?"""

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan, Run
from vebi.studies.columns import PAIRED, interval, with_interval
from vebi.studies.record import Figure, Study, Tabulation


def random_label_runs(plan: Plan) -> list[Run]:
    """The runs that also get a network trained on shuffled labels: of networks trained from nothing."""
    config = plan.config
    seeds = config.seeds[: config.sanity.random_label_seeds] if config.sanity else []
    return [
        run
        for run in plan.runs(seeds=seeds)
        if config.models[run["model"]].epochs and not config.models[run["model"]].weights
    ]


STUDY = Study(
    name="sanity",
    title="Do the maps depend on the network",
    place="Adebayo et al. 2018, in addition to the works",
    question=paragraph("""
        If a network forgets what it has learnt, layer by layer, its explanations should change. A
        map that stays the same shows the image, not the network. Class and features stay as they
        were, and are chosen again next to it.
    """),
    tables={
        "sanity_verdict": Table(
            keys=("dataset", "model", "method"),
            values=(
                "correlation_top",
                *interval("top"),
                *("correlation_all", "ci_low", "ci_high", "lost_at", "correlation_random_labels"),
                *("random_label_accuracy", "n_seeds", "n_images", "verdict"),
                *with_interval("again_top"),
                *with_interval("again_all"),
                *("verdict_again", "over"),
            ),
            text_values=("lost_at", "verdict_again"),
            caption=paragraph("""
                What each method's maps depend on. The rule: the weights matter where the whole 95 %
                interval of the correlation is below 0.3, hardly matter where it is from 0.5 on,
                don't matter where nothing changes, and matter in part otherwise. Intervals are over
                networks and scenes, of one network over scenes (*over*). *again*: each randomised
                network has its own prediction explained, by features that are selected in it, next
                to the trained network treated in the same way; otherwise class and features stay
                those of the trained network.
            """),
            allowed=(
                *allow(
                    "correlation_*",
                    "again_*",
                    "*ci_*",
                    "random_label_accuracy",
                    kind="close",
                    atol=0.1,
                ),
                Allowed("lost_at", "follows", why="the layer at which a mean crosses 0.5"),
                Allowed("verdict*", "follows", why="an interval against two cut points"),
            ),
        ),
        "sanity_paired": Table(
            keys=("dataset", "model", "method", "reference", "randomised_up_to"),
            values=("difference", *PAIRED, "over"),
            caption=paragraph("""
                Differences of the rank correlation between two methods; below 0: the maps of
                *method* depend more on the network. Interval and p-value are over networks and
                scenes, of one network over scenes (*over*).
            """),
            allowed=(
                Allowed("difference", "interval", atol=0.1),
                Allowed("ci_*", "close", atol=0.1),
                Allowed("p_value", "show", why="the interval decides"),
                Allowed("n_images", "close", atol=2, rtol=0.1, why="images that have a map at all"),
            ),
        ),
        "sanity": Table(
            keys=(*RUN_KEYS, "method", "randomised_up_to"),
            values=(
                *("rank_correlation", "ci_low", "ci_high", "n_images", "ssim", "step"),
                "again_correlation",
                *interval("again"),
                "over",
            ),
            caption=paragraph("""
                Similarity of maps (rank correlation, and structural similarity) after randomising
                layers from the top down to *randomised_up_to*, with 95 % intervals over scenes.
                *again_correlation*: where each network has its own prediction explained, by
                features selected in it.
            """),
            allowed=(
                Allowed("rank_correlation", "interval", atol=0.1),
                *allow("again_*", "ssim", "ci_*", kind="close", atol=0.1),
                Allowed("n_images", "close", atol=2, rtol=0.1, why="images that have a map at all"),
            ),
        ),
    },
    figures={
        "sanity": Figure(
            draw="vebi.studies.sanity.figures:draw_sanity",
            caption=paragraph("""
                Rank correlation of each method's maps with those of the trained network, as its
                layers are randomised from the class scores down. Diamonds: maps of a network
                trained on shuffled labels. Dotted: where the verdicts of the table cut, 0.3 and
                0.5. Bands: 95 % over scenes.
            """),
            reads=("sanity",),
        ),
    },
    wanted=lambda plan: bool(plan.config.sanity and plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.sanity.tables:tabulate_with_accuracies",
        inputs=lambda plan: {
            "paths": plan.files(f"sanity/{RUN}/sanity.h5"),
            "histories": plan.files(f"models/{RUN}/random_labels.csv", random_label_runs(plan)),
        },
        settings=lambda plan: {
            "runs": plan.runs(),
            "random_label_runs": random_label_runs(plan),
        },
    ),
    jobs={"train_random_labels": "long", "check_sanity": "network"},
)
