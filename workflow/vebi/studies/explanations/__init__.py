"""What explanations look like: panels and examples (VEBI Figs. 6 and 9)."""

from typing import Any

from vebi.config.stages import ExperimentConfig
from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan, Run
from vebi.studies.columns import with_interval
from vebi.studies.record import Figure, Inputs, Settings, Study, Tabulation


def _panel_settings(plan: Plan, experiment: ExperimentConfig | None) -> dict[str, Any]:
    assert experiment is not None
    return {
        "images": plan.config.panels.images,
        "top": plan.config.heatmaps.top,
        "mu": experiment.heatmap_mu,
    }


def _digit_runs(plan: Plan) -> list[Run]:
    """Networks for digits whose heatmaps the run makes."""
    datasets = plan.config.datasets
    return plan.runs([e for e in plan.explained if datasets[e.dataset].kind in ("digits", "mnist")])


def _gap_inputs(plan: Plan) -> Inputs:
    runs, methods = _digit_runs(plan), plan.config.heatmaps.names
    names = dict.fromkeys(run["dataset"] for run in runs)
    return {
        "paths": [
            path
            for run in runs
            for m in methods
            for path in plan.files(f"heatmaps/{RUN}/{m}.h5", [run])
        ],
        "datasets": plan.dataset_files(names),
    }


def _gap_settings(plan: Plan) -> Settings:
    return {"runs": _digit_runs(plan), "methods": list(plan.config.heatmaps.names)}


STUDY = Study(
    name="explanations",
    title="What an explanation looks like",
    place="VEBI, sections 3.2 and 4.2, Figs. 6 and 9",
    question=paragraph("""
        Which pixels make the selected filters respond? Each method draws a map for each image; the
        gallery at the end of this page has more of them.
    """),
    tables={
        "gaps": Table(
            keys=(*RUN_KEYS, "method", "digit", "other"),
            values=(*with_interval("gap_excess"), "n_images", "over"),
            caption=paragraph("""
                Whether maps of a digit mark the gaps that another one would fill (the paper's 2 against
                0 and 6 against 4). *gap_excess*: how much more of a map lies on a pixel of the gap than
                on another empty one of the image as far from the ink, in units of the map's mean; 0: the
                map does not know of the gap. 95 % interval over test images.
            """),
            allowed=(
                Allowed("gap_excess", "interval", atol=0.2),
                Allowed("gap_excess_*", "close", atol=0.5, why="ends of intervals over few images"),
                Allowed("n_images", "close", atol=3, why="images whose map is zero are left out"),
            ),
        ),
    },
    tabulate=Tabulation(
        function="vebi.studies.explanations.gaps:tabulate",
        inputs=_gap_inputs,
        settings=_gap_settings,
        tables=lambda plan: ["gaps"] if _digit_runs(plan) else [],
    ),
    figures={
        "panels": Figure(
            draw="vebi.explanation.run_panels:draw_run_panels",
            caption=paragraph("""
                Explanations as in the paper's Fig. 6: the image with its predicted class, and the
                maps of the features that speak most for that class, strongest first. The label has
                the number of the layer, its name and the channel: green for layers with a map, pink
                for fully connected ones.
            """),
            per="experiment",
            inputs=lambda plan: {
                "dataset": plan.results / "data/{dataset}/dataset.h5",
                "model": plan.first(f"models/{RUN}/model.pt"),
                "descriptors": plan.first(f"descriptors/{RUN}/descriptors.h5"),
                "path": plan.first(f"selection/{RUN}/{plan.config.heatmaps.scope}/path.h5"),
            },
            settings=_panel_settings,
            memory_mb=2000,
        ),
        "examples": Figure(
            draw="vebi.studies.explanations.figures:draw_run_examples",
            caption=paragraph("""
                Image, mask and every method's map (the paper's Fig. 9). Below each map the area
                under its IoU curve. Maps go from 0 (black) to 1 (bright yellow), each stretched to
                that range.
            """),
            per="experiment",
            of=lambda plan: plan.masked,
            inputs=lambda plan: {
                "dataset": plan.results / "data/{dataset}/dataset.h5",
                "heatmaps": [
                    plan.first(f"heatmaps/{RUN}/{method}.h5")
                    for method in plan.config.heatmaps.names
                ],
                "iou": plan.first(f"iou/{RUN}/iou.h5"),
            },
            settings=lambda plan, _: {"images": plan.config.panels.images},
            memory_mb=1500,
        ),
    },
)
