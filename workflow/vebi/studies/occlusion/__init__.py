"""Box occlusion: what is left of a prediction when a heatmap's places are covered (VEBI 4.2)."""

from vebi.io.tables import RUN_KEYS, Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.columns import interval
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="occlusion",
    title="What if the marked places are covered",
    place="VEBI, section 4.2",
    question=paragraph("""
        Boxes drawn from the map cover up to 30 % of the image, or of the map. The faster the
        network loses confidence in its prediction, the more the marked places matter to it.
    """),
    tables={
        "occlusion_paired": Table(
            keys=("dataset", "model", "method", "reference"),
            values=(
                *("difference", "ci_low", "ci_high", "p_value", "absolute_difference"),
                *interval("absolute"),
                *("curve_difference", "published_difference", "n_seeds", "n_images", "n_scenes"),
                "relevant_difference",
                *interval("relevant"),
                *("relevant_p_value", "over"),
            ),
            caption=paragraph("""
                Confidence under one method's boxes minus that under another's, mean over the steps;
                below 0: the places of *method* matter more. *difference*: up to 30 % of the image
                covered; *relevant_difference*: the 30 % most relevant part of the map's positive
                pixels, as the paper's text says. Interval and p-value are over what *over* says:
                networks and scenes, or the scenes of one network.
            """),
            allowed=(
                Allowed("difference", "interval", atol=0.02),
                Allowed("*p_value", "show", why="the interval decides"),
                Allowed("n_scenes", "exact"),
                Allowed("published_difference", "exact", why="printed in the paper"),
                *allow("*_difference", "*ci_*", kind="close", atol=0.03),
            ),
        ),
        "occlusion": Table(
            keys=(*RUN_KEYS, "method", "covered_fraction"),
            values=(
                *("mean_confidence", "n_images", "ci_low", "ci_high", "mean_confidence_drop"),
                *("n_draws", "relevant_confidence"),
                *interval("relevant"),
                *("relevant_area", "n_relevant", "over"),
            ),
            formats={"covered_fraction": "%.4f"},
            caption=paragraph("""
                Mean confidence of each network in its prediction, with 95 % intervals over scenes.
                *mean_confidence*: with *covered_fraction* of the image covered.
                *relevant_confidence*: with this fraction of the map's positive pixels covered, by
                boxes in its most relevant part (*relevant_area* of the image), over the
                *n_relevant* images whose map is not empty.
            """),
            allowed=(
                Allowed("mean_confidence", "interval", atol=0.05),
                *allow("mean_confidence_drop", "relevant_*", "ci_*", kind="close", atol=0.05),
            ),
        ),
    },
    figures={
        "occlusion": Figure(
            draw="vebi.studies.occlusion.figures:draw_occlusion",
            caption=paragraph("""
                Confidence in the network's own prediction while boxes, drawn where the map is
                strong, cover more and more of the image; lower is better for the map. Then each
                method minus deconvnet with guided backprop on the same images.
            """),
            reads=("occlusion", "occlusion_paired"),
        ),
    },
    wanted=lambda plan: bool(plan.config.occlusion and plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.occlusion.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"occlusion/{RUN}/occlusion.h5")},
    ),
    jobs={"occlude": "network"},
)
