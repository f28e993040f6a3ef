"""Overlap of heatmaps and masks (VEBI 4.3)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.columns import interval, with_interval
from vebi.studies.record import Figure, Study, Tabulation


def _tables(plan: Plan) -> list[str]:
    """All, but for distractors where no image holds any."""
    return [name for name in STUDY.tables if name != "distractors" or plan.distracted]


STUDY = Study(
    name="iou",
    title="Do the maps lie on what decides",
    place="VEBI, section 4.3 and Fig. 8",
    question=paragraph("""
        A map is cut off at a threshold, and what is left is compared with the mask: intersection
        over union (IoU), 1 if they are the same, 0 if they don't touch. A method's score is the
        area under the curve over all thresholds.
    """),
    tables={
        "iou_auc": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                *with_interval("auc"),
                *("best_iou", "n_images", "auc_correct_only", "n_correct", "share_without_map"),
                *("auc_with_map", *interval("with_map"), "auc_ranked", *interval("ranked")),
                *("n_scenes", "over"),
            ),
            caption=paragraph("""
                Area under the IoU curve of each network and method, its 95 % interval over scenes
                (Student's t), the IoU at the best threshold, and the same area over correctly
                predicted images only. *share_without_map*: images in which none of the selected
                features can be drawn, as overlap 0 in *auc* and left out of *auc_with_map*.
                *auc_ranked*: with each map's values replaced by their ranks.
            """),
            allowed=(
                Allowed("auc", "interval", atol=0.02),
                Allowed("share_without_map", "close", atol=0.05),
                Allowed("n_scenes", "exact"),
                Allowed("with_map_*", "close", atol=0.05),
                *allow("ranked_*", "auc_*", "best_iou", kind="close", atol=0.03),
                Allowed("n_correct", "close", rtol=0.02, why="follows the test accuracy"),
            ),
        ),
        "iou_paired": Table(
            keys=("dataset", "model", "method", "reference"),
            values=(
                *("auc_difference", "ci_low", "ci_high", "n_seeds", "n_images", "p_value"),
                *("n_scenes", "auc_method", "auc_reference", "share_without_map"),
                *("with_map_difference", *interval("with_map")),
                *("ranked_difference", *interval("ranked"), "over"),
            ),
            caption=paragraph("""
                Differences of area between two methods on the same images: *method* minus
                *reference*, mean over networks, with the 95 % interval and p-value over networks
                and scenes (over scenes for one network). Next to it the areas themselves, the
                difference over images in which both have something to draw (*share_without_map* is
                left out there), and that of rank-normalised maps.
            """),
            allowed=(
                Allowed("auc_difference", "interval", atol=0.02),
                Allowed("*ci_*", "close", atol=0.05),
                Allowed("auc_*", "close", atol=0.03),
                *allow("*_difference", "share_without_map", kind="close", atol=0.05),
                Allowed("n_scenes", "exact"),
                Allowed("p_value", "close", atol=0.2, why="of a t that few networks make"),
            ),
        ),
        "localisation": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                *with_interval("relevance_mass"),
                *with_interval("relevance_rank"),
                *with_interval("pointing"),
                "n_images",
                "over",
            ),
            caption=paragraph("""
                Share of the map on the mask, rank accuracy and pointing game of each network, with
                95 % intervals over scenes; method *random* is chance.
            """),
            allowed=(
                *allow("relevance_mass", "relevance_rank", kind="interval", atol=0.03),
                Allowed("pointing", "interval", atol=0.05),
                Allowed("relevance_*", "close", atol=0.05),
                Allowed("pointing_*", "close", atol=0.1),
            ),
        ),
        "distractors": Table(
            keys=(*RUN_KEYS, "method"),
            values=(
                *with_interval("mass_on_part"),
                *with_interval("mass_on_distractors"),
                *with_interval("mass_elsewhere"),
                *("area_part", "area_distractors", "area_elsewhere"),
                *with_interval("distractor_auc"),
                *("n_images", "over"),
            ),
            caption=paragraph("""
                Share of each map on the part that decides, on distractors and elsewhere, the areas
                of the three, and the area under the IoU curve with the distractors, with 95 %
                intervals over scenes.
            """),
            allowed=(
                *allow(
                    "mass_on_part",
                    "mass_on_distractors",
                    "mass_elsewhere",
                    "distractor_auc",
                    kind="interval",
                    atol=0.03,
                ),
                *allow("mass_*", "distractor_auc_*", kind="close", atol=0.05),
                Allowed("area_*", "close", atol=0.001, why="the masks are the same"),
            ),
        ),
        "iou_curve": Table(
            keys=(*RUN_KEYS, "method", "threshold"),
            values=("mean_iou", "ci_low", "ci_high", "over"),
            formats={"threshold": "%.4f"},
            caption=(
                "The IoU curves themselves, at every threshold, with 95 % intervals over scenes."
            ),
            allowed=(
                Allowed("mean_iou", "close", atol=0.03),
                Allowed("ci_*", "close", atol=0.05, why="ends of intervals over few base scenes"),
            ),
        ),
    },
    figures={
        "iou_curves": Figure(
            draw="vebi.studies.iou.figures:draw_iou_curves",
            caption=paragraph("""
                Overlap of maps and masks against the threshold at which a map is cut off (the
                paper's Fig. 8). Above, the paper's methods and chance; below, other methods alongside
                VEBI. Thick: mean over networks; thin: single networks. The legend has the area
                under each curve.
            """),
            reads=("iou_curve", "iou_auc"),
        ),
        "localisation": Figure(
            draw="vebi.studies.iou.figures:draw_localisation",
            caption=paragraph("""
                Three other ways to ask whether a map lies on the mask. Mass: the share of the map
                inside. Rank: of as many strongest pixels as the mask has, the share inside.
                Pointing game: whether the strongest pixel is inside. The grey line is chance.
            """),
            reads=("localisation",),
        ),
        "distractors": Figure(
            draw="vebi.studies.iou.figures:draw_distractors",
            caption=paragraph("""
                Images with distractors: other objects in the colours of the classes, which decide
                nothing. How much of each method's map falls on the part that decides, on
                distractors, and elsewhere, next to the areas that they have.
            """),
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
        },
        tables=_tables,
        memory_mb=2000,
    ),
    jobs={"measure_iou": "cpu"},
)
