"""Which of the selected features the images determine, and whether other rankings find the same."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.record import Figure, Study, Tabulation

PARTS = ("stability", "supports", "rivals")


def _wanted(plan: Plan) -> bool:
    return plan.config.identifiability is not None and bool(plan.config.experiments)


STUDY = Study(
    name="identifiability",
    title="Is the selection determined, and is it a cause?",
    place="VEBI, section 3.1",
    question=paragraph("""
        With other images of the same kind, would the same features have been selected? How many
        other sets of features fit as well? And does what predicts a class also cause it: do the
        features of other rankings, predictive or by gradients, cost more accuracy when they are
        removed?
    """),
    section="selection",
    tables={
        "selection_stability": Table(
            keys=(*RUN_KEYS, "class_index", "layer", "channel"),
            values=("weight", "selected_share", "n_resamples"),
            formats={"class_index": "%d", "channel": "%d", "n_resamples": "%d"},
            caption=paragraph("""
                Of each selected feature the share of bootstrap resamples of the training scenes in
                which it is selected again, at the mu of the heatmaps.
            """),
            allowed=(Allowed("*", "close", atol=0.1, rtol=0.1),),
        ),
        "selection_supports": Table(
            keys=(*RUN_KEYS, "class_index"),
            values=(
                *("n_selected", "n_always", "n_ever", "mean_size", "jaccard", "stability"),
                *("n_supports", "equally_good", "median_excess", "n_resamples"),
            ),
            formats={"class_index": "%d"},
            caption=paragraph("""
                How well the images determine a class's features. *n_always*: selected in nine of
                ten resamples or more; *n_ever*: in any. *jaccard*: of the selection and a
                resample's, on average. *stability*: Nogueira, Sechidis & Brown (2018, Eq. 4), 1
                where all resamples agree, 0 as by chance. *equally_good*: of the different supports
                that resamples give, the share whose loss on all images is within the configured
                tolerance of the least; *median_excess*: the median of that relative loss.
            """),
            allowed=(
                Allowed("n_*", "close", atol=3, rtol=0.1),
                Allowed("*", "close", atol=0.1, rtol=0.1),
            ),
        ),
        "selection_rivals": Table(
            keys=(*RUN_KEYS, "ranking"),
            values=(
                *("kind", "n_features", "overlap", "drop", "difference", "ci_low", "ci_high"),
                "n_images",
            ),
            text_values=("kind",),
            caption=paragraph("""
                Removing as many features per layer as are selected, taken by other rankings: those
                that predict the class from the descriptors, those by what the class score owes to a
                channel, and random ones. *drop*: of mean class accuracy on test images;
                *difference*: to that of the selected features, above 0 where the ranking's features
                cost more, with its 95 % interval over scenes of this network. *overlap*: the part
                of them that is selected.
            """),
            allowed=(
                Allowed("kind", "exact"),
                Allowed("n_*", "close", atol=3, rtol=0.1),
                Allowed("*", "close", atol=0.1),
            ),
        ),
    },
    figures={
        "identifiability": Figure(
            draw="vebi.studies.identifiability.figures:draw_identifiability",
            caption=paragraph("""
                Above, every selected feature: in how many bootstrap resamples of the training
                scenes it is selected again, against its weight. Below, how much mean class accuracy
                falls without the selected features, and without as many per layer of other
                rankings: a dot per network, the bar is their mean.
            """),
            reads=("selection_stability", "selection_rivals"),
        ),
    },
    wanted=_wanted,
    tabulate=Tabulation(
        function="vebi.studies.identifiability.tables:tabulate",
        inputs=lambda plan: {
            part: plan.files(f"identifiability/{RUN}/{part}.csv") for part in PARTS
        },
    ),
    jobs={"resample_selection": "network"},
)
