"""Average images: what the selected features of each class look at (VEBI 4.2, Fig. 5)."""

from vebi.record import paragraph
from vebi.studies.record import Figure, Study

STUDY = Study(
    name="average",
    title="What the selected features respond to",
    place="VEBI, section 4.2 and Fig. 5",
    question=paragraph("""
        Which patches of the images make a selected feature respond most, and what do they have in
        common?
    """),
    section="selection",
    figures={
        "average": Figure(
            draw="",
            caption=paragraph("""
                What the selected features respond to (the paper's Fig. 5). For each class, the
                features with the largest weights; each picture is the mean of the patches, cut out
                by the feature's receptive field, of the images of the class on which it responds
                most. Means over networks are not possible: this is the first seed's network. A
                sheet for each class lies next to it; in a run with interventions it also shows how
                much of each feature's response goes when a part of the scene is changed.
            """),
            per="experiment",
        ),
    },
    wanted=lambda plan: bool(plan.config.average and plan.config.experiments),
    jobs={"average_patches": "network", "draw_average": "small"},
)
