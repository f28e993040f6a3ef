"""Box occlusion: what is left of a prediction when a heatmap's places are covered (VEBI 4.2)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.run.plan import RUN
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="occlusion",
    title="What if the marked places are covered",
    place="VEBI, section 4.2",
    question=(
        "Boxes drawn from the map cover up to 30 % of the image. The faster the network loses "
        "confidence in its prediction, the more the marked places matter to it."
    ),
    tables={
        "occlusion_paired": Table(
            keys=("dataset", "model", "method", "reference"),
            values=(
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
            caption=(
                "Confidence under one method's boxes minus that under another's, mean over the "
                "steps; below 0: the places of *method* matter more."
            ),
            allowed=(
                Allowed("difference", "interval", atol=0.02, why="bootstrap over images"),
                Allowed("p_value", "show", why="a draw of sign flips; the interval decides"),
                Allowed("published_difference", "exact", why="printed in the paper"),
                Allowed("*_difference", "close", atol=0.03),
                Allowed("*ci_*", "close", atol=0.03),
            ),
        ),
        "occlusion": Table(
            keys=(*RUN_KEYS, "method", "covered_fraction"),
            values=(
                "mean_confidence",
                "n_images",
                "ci_low",
                "ci_high",
                "mean_confidence_drop",
                "n_draws",
            ),
            formats={"covered_fraction": "%.4f"},
            caption=(
                "Mean confidence in the prediction at each covered share of the image, with 95 % "
                "intervals."
            ),
            allowed=(
                Allowed("mean_confidence", "interval", atol=0.05, why="bootstrap over images"),
                Allowed("mean_confidence_drop", "close", atol=0.05),
                Allowed("ci_*", "close", atol=0.05),
            ),
        ),
    },
    figures={
        "occlusion": Figure(
            draw="vebi.studies.occlusion.figures:draw_occlusion",
            caption=(
                "Confidence in the network's own prediction while boxes, drawn where the map is "
                "strong, cover more and more of the image; lower is better for the map. Then each"
                " method minus deconvnet with guided backprop on the same images."
            ),
            reads=("occlusion", "occlusion_paired"),
        ),
    },
    wanted=lambda plan: bool(plan.config.occlusion and plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.occlusion.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"occlusion/{RUN}/occlusion.h5")},
        settings=lambda plan: {
            "runs": plan.runs(),
            "n_resamples": plan.config.iou.bootstrap,
            "seed": plan.config.seed,
        },
    ),
    jobs={"occlude": "network"},
)
