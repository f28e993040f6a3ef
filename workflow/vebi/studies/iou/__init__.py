"""Overlap of heatmaps and masks (VEBI 4.3)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.run.plan import RUN, Plan
from vebi.studies.record import Figure, Study, Tabulation


def _tables(plan: Plan) -> list[str]:
    """All, but for distractors where no image holds any."""
    return [name for name in STUDY.tables if name != "distractors" or plan.distracted]


STUDY = Study(
    name="iou",
    title="Do the maps lie on what decides",
    place="VEBI, section 4.3 and Fig. 8",
    question=(
        "A map is cut off at a threshold, and what is left is compared with the mask: "
        "intersection over union (IoU), 1 if they are the same, 0 if they don't touch. A method's"
        " score is the area under the curve over all thresholds."
    ),
    tables={
        "iou_auc": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                "auc",
                "auc_ci_low",
                "auc_ci_high",
                "best_iou",
                "n_images",
                "auc_correct_only",
                "n_correct",
            ),
            caption=(
                "Area under the IoU curve of each network and method, its 95 % interval over "
                "scenes, the IoU at the best threshold, and the same area over correctly "
                "predicted images only."
            ),
            allowed=(
                Allowed("auc", "interval", atol=0.02, why="bootstrap over images"),
                Allowed("auc_*", "close", atol=0.03),
                Allowed("best_iou", "close", atol=0.03),
                Allowed("n_correct", "close", rtol=0.02, why="follows the test accuracy"),
            ),
        ),
        "iou_paired": Table(
            keys=("dataset", "model", "method", "reference"),
            values=(
                "auc_difference",
                "ci_low",
                "ci_high",
                "n_seeds",
                "n_images",
                "p_value",
                "n_scenes",
            ),
            caption=(
                "Differences of area between two methods on the same images: *method* minus "
                "*reference*, mean over networks, 95 % interval and exact p-value over scenes."
            ),
            allowed=(
                Allowed("auc_difference", "interval", atol=0.02),
                Allowed("ci_*", "close", atol=0.03),
                Allowed(
                    "p_value",
                    "close",
                    atol=0.1,
                    why="two of 2^n sign patterns per step, n base scenes",
                ),
            ),
        ),
        "localisation": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                "relevance_mass",
                "relevance_mass_ci_low",
                "relevance_mass_ci_high",
                "relevance_rank",
                "relevance_rank_ci_low",
                "relevance_rank_ci_high",
                "pointing",
                "pointing_ci_low",
                "pointing_ci_high",
                "n_images",
            ),
            caption=(
                "Share of the map on the mask, rank accuracy and pointing game, with 95 % "
                "intervals over scenes; method *random* is chance."
            ),
            allowed=(
                Allowed("relevance_mass", "interval", atol=0.03),
                Allowed("relevance_rank", "interval", atol=0.03),
                Allowed("pointing", "interval", atol=0.05),
                Allowed("relevance_*", "close", atol=0.05),
                Allowed("pointing_*", "close", atol=0.1),
            ),
        ),
        "distractors": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                "mass_on_part",
                "mass_on_part_ci_low",
                "mass_on_part_ci_high",
                "mass_on_distractors",
                "mass_on_distractors_ci_low",
                "mass_on_distractors_ci_high",
                "mass_elsewhere",
                "mass_elsewhere_ci_low",
                "mass_elsewhere_ci_high",
                "area_part",
                "area_distractors",
                "area_elsewhere",
                "distractor_auc",
                "distractor_auc_ci_low",
                "distractor_auc_ci_high",
                "n_images",
            ),
            caption=(
                "Share of each map on the part that decides, on distractors and elsewhere, the "
                "areas of the three, and the area under the IoU curve with the distractors."
            ),
            allowed=(
                Allowed("mass_on_part", "interval", atol=0.03),
                Allowed("mass_on_distractors", "interval", atol=0.03),
                Allowed("mass_elsewhere", "interval", atol=0.03),
                Allowed("distractor_auc", "interval", atol=0.03),
                Allowed("mass_*", "close", atol=0.05),
                Allowed("distractor_auc_*", "close", atol=0.05),
                Allowed("area_*", "close", atol=0.001, why="the masks are the same"),
            ),
        ),
        "iou_curve": Table(
            keys=(*RUN_KEYS, "method", "threshold"),
            values=("mean_iou", "ci_low", "ci_high"),
            formats={"threshold": "%.4f"},
            caption="The IoU curves themselves, at every threshold.",
            allowed=(
                Allowed("mean_iou", "close", atol=0.03),
                Allowed("ci_*", "close", atol=0.05, why="ends of intervals over few base scenes"),
            ),
        ),
    },
    figures={
        "iou_curves": Figure(
            draw="vebi.studies.iou.figures:draw_iou_curves",
            caption=(
                "Overlap of maps and masks against the threshold at which a map is cut off (the "
                "paper's Fig. 8). Above, the paper's methods and chance; below, other methods "
                "beside VEBI. Thick: mean over networks; thin: single networks. The legend has "
                "the area under each curve."
            ),
            reads=("iou_curve", "iou_auc"),
        ),
        "localisation": Figure(
            draw="vebi.studies.iou.figures:draw_localisation",
            caption=(
                "Three other ways to ask whether a map lies on the mask. Mass: the share of the "
                "map inside. Rank: of as many strongest pixels as the mask has, the share inside."
                " Pointing game: whether the strongest pixel is inside. The grey line is chance."
            ),
            reads=("localisation",),
        ),
        "distractors": Figure(
            draw="vebi.studies.iou.figures:draw_distractors",
            caption=(
                "Images with distractors: other objects in the colours of the classes, which "
                "decide nothing. How much of each method's map falls on the part that decides, on"
                " distractors, and elsewhere, beside the areas that they have."
            ),
            reads=("distractors",),
            wanted=lambda plan: bool(plan.distracted),
        ),
    },
    wanted=lambda plan: bool(plan.masked),
    tabulate=Tabulation(
        function="vebi.studies.iou.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"iou/{RUN}/iou.h5", plan.runs(plan.masked))},
        settings=lambda plan: {
            "runs": plan.runs(plan.masked),
            "n_resamples": plan.config.iou.bootstrap,
            "seed": plan.config.seed,
        },
        tables=_tables,
        memory_mb=2000,
    ),
    jobs={"measure_iou": "cpu"},
)
