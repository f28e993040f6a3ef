"""What explanations look like: panels and examples (VEBI Figs. 6 and 9)."""

from typing import Any

from vebi.config.stages import ExperimentConfig
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.record import Figure, Study


def _panel_settings(plan: Plan, experiment: ExperimentConfig | None) -> dict[str, Any]:
    assert experiment is not None
    return {
        "images": plan.config.panels.images,
        "top": plan.config.heatmaps.top,
        "mu": experiment.heatmap_mu,
    }


STUDY = Study(
    name="explanations",
    title="What an explanation looks like",
    place="VEBI, sections 3.2 and 4.2, Figs. 6 and 9",
    question=paragraph("""
        Which pixels make the selected filters respond? Each method draws a map for each image; the
        gallery at the end of this page has more of them.
    """),
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
