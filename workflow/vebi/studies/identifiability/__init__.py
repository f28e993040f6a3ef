"""Which of the selected features the images determine, and whether other rankings find the same."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan
from vebi.studies.columns import PAIRED
from vebi.studies.record import Figure, Study, Tabulation

FILES = {"stability": "stability.csv", "supports": "supports.csv", "rivals": "rivals.h5"}
# How far the same numbers of two runs may be apart.
_DIFFERENCES = (
    Allowed("kind", "exact"),
    Allowed("n_*", "close", atol=3, rtol=0.1),
    Allowed("p_value", "close", atol=0.2, why="of a t that few networks make"),
    Allowed("*", "close", atol=0.1),
)


def _wanted(plan: Plan) -> bool:
    return plan.config.identifiability is not None and bool(plan.config.experiments)


def _tables(plan: Plan) -> list[str]:
    """All, but for maps where no images have masks."""
    return [name for name in STUDY.tables if name != "selection_rival_maps" or plan.masked]


STUDY = Study(
    name="identifiability",
    title="Is the selection determined, and is it a cause?",
    place="VEBI, section 3.1",
    question=paragraph("""
        With other images of the same kind, would the same features have been selected? How many
        other sets of features fit as well? And does what predicts a class also cause it: do the
        features of other rankings, predictive or by relevance, cost more accuracy when they are
        removed, and do they lie on what decides?
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
                that predict the class from the descriptors (mean response, matching pursuit,
                elastic net, sparse logistic probe), those by what the class score owes to a channel
                (gradient x activation, relevance by LRP as in concept relevance propagation,
                conductance), and random ones. Where a sparse ranking gives too few features of a
                layer a weight, those with the largest mean response follow. *drop*: of mean class
                accuracy on test images; *difference*: to that of the selected features, above 0
                where the ranking's features cost more, with its 95 % interval over scenes of this
                network. *overlap*: the part of them that is selected.
            """),
            allowed=_DIFFERENCES,
        ),
        "selection_rival_maps": Table(
            keys=(*RUN_KEYS, "ranking", "method"),
            values=("kind", "n_features", "auc", "difference", "ci_low", "ci_high", "n_images"),
            text_values=("kind",),
            caption=paragraph("""
                Whether the features of each ranking lie on what decides: in every image those of the
                predicted class, as many per layer as the mu-Lasso gives a weight above 0
                (*n_features* on average), drawn by *method* and merged by their maximum. *auc*: area
                under the IoU curve; *difference*: to that of the selected features, with its 95 %
                interval over scenes of this network.
            """),
            allowed=_DIFFERENCES,
        ),
        "selection_rival_effects": Table(
            keys=("dataset", "model", "measure", "ranking", "reference"),
            values=(*("kind", "mean", "mean_reference", "difference", *PAIRED, "over"),),
            text_values=("kind",),
            caption=paragraph("""
                The rankings over all networks, and the means of the predictive ones and of those by
                relevance, against the selected features and against random ones:
                *measure* is the drop of accuracy, or the area under the IoU curve
                of maps by a method. *difference*: *ranking* minus *reference*, with
                its 95 % interval and p-value over networks and scenes.
            """),
            allowed=_DIFFERENCES,
        ),
    },
    figures={
        "identifiability": Figure(
            draw="vebi.studies.identifiability.figures:draw_identifiability",
            caption=paragraph("""
                Above, every selected feature: in how many bootstrap resamples of the training
                scenes it is selected again, against its weight. In the middle, how much mean class
                accuracy falls without the selected features, and without as many per layer of other
                rankings. Below, the overlap with the masks of maps of as many features per layer and
                class, by VEBI and upsampled. A dot per network, the bar is their mean.
            """),
            reads=("selection_stability", "selection_rivals", "selection_rival_maps"),
        ),
    },
    wanted=_wanted,
    tabulate=Tabulation(
        function="vebi.studies.identifiability.tables:tabulate",
        inputs=lambda plan: {
            name: plan.files(f"identifiability/{RUN}/{file}") for name, file in FILES.items()
        },
        tables=_tables,
    ),
    jobs={"resample_selection": "network"},
)
