"""Grid artefacts: what strides leave in heatmaps (VEBI 3.3, Figs. 2 and 7)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.columns import PAIRED, interval, with_interval
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="artefacts",
    title="Is the grid gone",
    place="VEBI, section 3.3, Figs. 2 and 7",
    question=paragraph("""
        Going back through layers that skip pixels leaves a regular grid on the map, which shows the
        network's strides and not the image. VEBI resamples to stride 1 on the way. How much of a
        map is grid, before and after?
    """),
    tables={
        "artefacts_paired": Table(
            keys=("dataset", "model", "layer", "method", "reference"),
            values=(
                *("score_difference", *PAIRED, "cumulative_stride", "layer_number", "over"),
                *("overlap_difference", *interval("overlap"), "overlap_p_value"),
            ),
            caption=paragraph("""
                Differences of the grid-artefact score between two methods on the same images; below
                0: *method* has less grid than *reference*. Interval and p-value are over what
                *over* says: networks and scenes, or the scenes of one network.
                *overlap_difference*: of the same maps' overlap with the mask; above 0 those of
                *method* lie more on what decides.
            """),
            allowed=(
                Allowed("score_difference", "interval", atol=0.02),
                Allowed("overlap_difference", "interval", atol=0.02),
                Allowed("*ci_*", "close", atol=0.05),
                Allowed("*p_value", "show", why="the interval decides"),
            ),
        ),
        "artefacts": Table(
            keys=(*RUN_KEYS, "method", "layer"),
            values=(
                *("cumulative_stride", "grid_artefact_score", "ci_low", "ci_high", "n_images"),
                *("layer_number", "share_selected", "over", *with_interval("mask_overlap")),
            ),
            caption=paragraph("""
                Grid-artefact score of each network and method in each layer; layer *heatmap* is the
                whole explanation. *share_selected*: how often the layer is among the features
                explained. *mask_overlap*: area under the IoU curve of the same maps with the mask.
                Intervals: 95 % over scenes.
            """),
            allowed=(
                *allow("grid_artefact_score", "mask_overlap", kind="interval", atol=0.02),
                Allowed("*ci_*", "close", atol=0.05),
                Allowed(
                    "share_selected", "close", atol=0.2, why="depends on the selected features"
                ),
            ),
        ),
    },
    figures={
        "artefacts": Figure(
            draw="vebi.studies.artefacts.figures:draw_artefact_scores",
            caption=paragraph("""
                The grid in the maps, as a number: the share of a map's energy on the lattice that
                the layer's stride leaves, 1 for a bare grid, 0 for none. Over the layers whose
                features are explained, and for the whole heatmaps.
            """),
            reads=("artefacts",),
        ),
        "artefact_maps": Figure(
            draw="vebi.studies.artefacts.figures:draw_run_maps",
            caption=paragraph("""
                The same feature, low and high in the network, drawn by every method (the paper's
                Figs. 2 and 7). The number is the grid-artefact score of the map.
            """),
            per="experiment",
            inputs=lambda plan: {
                "dataset": plan.results / "data/{dataset}/dataset.h5",
                "model": plan.first(f"models/{RUN}/model.pt"),
                "artefacts": plan.first(f"artefacts/{RUN}/artefacts.h5"),
            },
            settings=lambda plan, _: {
                "examples": plan.config.artefacts.examples if plan.config.artefacts else 0
            },
            memory_mb=2000,
        ),
    },
    wanted=lambda plan: bool(plan.config.artefacts and plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.artefacts.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"artefacts/{RUN}/artefacts.h5")},
    ),
    jobs={"score_artefacts": "network"},
)
