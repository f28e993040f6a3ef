"""Interventions: the same scene with one thing changed, and what the network makes of it."""

from pathlib import Path

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.columns import interval, with_interval
from vebi.studies.record import Figure, Settings, Study, Tabulation

_NOISE = "another training uses the parts differently"


def _files(plan: Plan) -> dict[str, Path]:
    return {
        "interventions": plan.results / "data/{dataset}/interventions.h5",
        "effects": plan.first(f"interventions/{RUN}/effects.h5"),
    }


def _inputs(plan: Plan) -> dict[str, list[Path]]:
    runs = plan.runs(plan.intervened)
    return {
        "paths": plan.files(f"interventions/{RUN}/effects.h5", runs),
        "descriptors": plan.files(f"descriptors/{RUN}/descriptors.h5", runs),
    }


def _panel(plan: Plan, experiment: object) -> Settings:
    return {"images": min(2, plan.config.panels.images)}


STUDY = Study(
    name="interventions",
    title="What the network really uses",
    place="VEBI, section 4.3 asks what the label means; this asks the network",
    question=paragraph("""
        A mask says which part of a flower makes its class, not what the network looks at. The
        renderer can change one thing in a scene and leave every other pixel as it is: the change of
        the class's score is the true effect of that part on this network. Which parts does it use,
        which method's maps follow that, and which part drives each selected feature?
    """),
    tables={
        "faithfulness_networks": Table(
            keys=("dataset", "model", "method", "measure"),
            values=("value", "ci_low", "ci_high", "n_networks", "n_scenes"),
            caption=paragraph("""
                How each method's relevance per part follows the true effects, over networks and
                scenes. *rank_correlation*: mean relevance of a part's pixels against the drop of
                the score when the part is made neutral or removed, over the parts of an image;
                *_total*: its sum; *single_deletion*: the sum against removal alone; drops of at
                most a twentieth of the image's largest count as none; *wrong_order*: share of pairs
                in which a part that the network ignores has more relevance than one that it uses
                (0.5 for chance).
            """),
            allowed=(
                Allowed("value", "interval", atol=0.1, why=_NOISE),
                Allowed("ci_*", "close", atol=0.2),
            ),
        ),
        "faithfulness": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                *("rank_correlation", "ci_low", "ci_high", "n_images"),
                *with_interval("rank_correlation_total"),
                *with_interval("single_deletion"),
                *with_interval("wrong_order"),
                *with_interval("wrong_order_total"),
                "n_scenes",
            ),
            caption="The same for each network, with intervals over scenes.",
            allowed=(
                Allowed("rank_correlation", "interval", atol=0.1, why=_NOISE),
                *allow("*_ci_*", "ci_*", kind="close", atol=0.3),
                *allow(
                    "rank_correlation_total",
                    "single_deletion",
                    "wrong_order*",
                    kind="close",
                    atol=0.2,
                    why=_NOISE,
                ),
            ),
        ),
        "interventions": Table(
            keys=(*RUN_KEYS, "part", "change"),
            values=(
                *("score_change", "probability_change", "ci_low", "ci_high", "n_images"),
                *(*interval("probability"), "changed_class", "n_scenes"),
            ),
            caption=paragraph("""
                Change of the predicted class's score (before softmax, with its interval) and
                probability when one thing in the scene is changed; *class part* is in each image
                the part that carries its class. *changed_class*: share of the images in which
                another class is predicted then.
            """),
            allowed=(
                Allowed("score_change", "interval", atol=1.0, why=_NOISE),
                Allowed("probability_change", "close", atol=0.2, why=_NOISE),
                Allowed("*ci_*", "close", atol=3.0),
                Allowed("changed_class", "close", atol=0.2, why=_NOISE),
            ),
        ),
        "box_effects": Table(
            keys=(*RUN_KEYS, "box"),
            values=(
                *("rank_correlation", "ci_low", "ci_high", "true_drop", "box_drop"),
                *(*with_interval("distance"), "disagreement"),
                *("n_images", "n_removals"),
            ),
            caption=paragraph("""
                A box over a part, in the mean colour or blurred, next to the part's true removal:
                rank correlation of both drops of the score over the parts of an image, their means,
                the mean distance between them, and the share of parts of which only one says that
                it matters, or that matter in opposite directions.
            """),
            allowed=(
                Allowed("rank_correlation", "interval", atol=0.2, why=_NOISE),
                *allow("*drop", "distance", kind="close", atol=2.0, why=_NOISE),
                Allowed("*ci_*", "close", atol=3.0),
                Allowed("disagreement", "close", atol=0.2, why=_NOISE),
            ),
        ),
        "feature_parts": Table(
            keys=(*RUN_KEYS, "class", "layer", "channel", "part"),
            values=("change", "ci_low", "ci_high", "rank", "weight", "n_images"),
            caption=paragraph("""
                Which part drives each class's strongest features: share of the feature's response
                that changes when the part is made neutral or removed, in the half of the images to
                which it responds most. *rank* 1 is the part with the largest share.
            """),
            allowed=(
                *allow("(rows)", "*", kind="show", why="another training selects other features"),
            ),
        ),
    },
    figures={
        "faithfulness": Figure(
            draw="vebi.studies.interventions.figures:draw_faithfulness",
            caption=paragraph("""
                How each method's relevance per part follows the true effects of the parts: a mean
                over networks and scenes with its 95 % interval, small points for networks. Left:
                rank correlation per pixel, in total, and against removal; right: how often an
                ignored part has more relevance than a used one (dotted: chance).
            """),
            reads=("faithfulness_networks", "faithfulness"),
        ),
        "part_effects": Figure(
            draw="vebi.studies.interventions.figures:draw_part_effects",
            caption=paragraph("""
                What the network uses: drop of the predicted class's score when a part is made
                neutral, removed, or the scene gets another background or light; a point per network
                with its interval over scenes.
            """),
            reads=("interventions",),
        ),
        "intervention_panels": Figure(
            draw="vebi.studies.interventions.panels:draw_run_panels",
            caption=paragraph("""
                One image and its interventions, with the drop of the predicted class's score below
                each; then the relevance of each part by every method (mean over its pixels, largest
                1) next to the true effect of the part (hatched, largest 1).
            """),
            per="experiment",
            of=lambda plan: plan.intervened,
            inputs=_files,
            settings=_panel,
            memory_mb=1500,
        ),
        "faithfulness_scatter": Figure(
            draw="vebi.studies.interventions.panels:draw_run_scatter",
            caption=paragraph("""
                Relevance of each part (mean over its pixels) over its true effect, all images; both
                with the largest of the image as 1. Green: the part that carries the class. Maps
                that follow the network lie on a rising line; those that follow the label have the
                green points high, whatever their effect.
            """),
            per="experiment",
            of=lambda plan: plan.intervened,
            inputs=lambda plan: {"effects": _files(plan)["effects"]},
            memory_mb=1500,
        ),
        "feature_parts": Figure(
            draw="vebi.studies.interventions.figures:draw_feature_parts",
            caption=paragraph("""
                Which part drives each class's strongest features: share of the response that
                changes when the part is made neutral or removed. A row per class and feature; first
                network.
            """),
            reads=("feature_parts",),
        ),
    },
    wanted=lambda plan: bool(plan.config.interventions and plan.intervened),
    tabulate=Tabulation(
        function="vebi.studies.interventions.tables:tabulate",
        inputs=_inputs,
        settings=lambda plan: {"runs": plan.runs(plan.intervened)},
    ),
    jobs={
        "render_interventions": "cpu",
        "assemble_interventions": "cpu",
        "measure_interventions": "network",
    },
)
