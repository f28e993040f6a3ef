"""The rankings of a network's features that the study compares.

Each gives a value per class and feature. Only the order within a layer is used, since as many features
of each layer are taken as the mu-Lasso selects there.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.record import by_name
from vebi.record import record

# What a ranking is made from: the mu-Lasso; descriptors and classes; what the class score owes to a
# channel; nothing.
Kind = Literal["selected", "predictive", "relevance", "random"]


@record
class Ranking:
    """A ranking of features.

    Attributes:
        name: in tables.
        label: in figures.
        kind: what it is made from.
        function: `module:function` that gives the values. Of a predictive one: (m), of a class's
            `OneAgainstRest`; of relevance: of every image of a `LabelledBatch`, (N, channels) by layer
            index.
        either_sign: a weight far below zero makes a feature as important as one far above.
    """

    name: str
    label: str
    kind: Kind
    function: str = ""
    either_sign: bool = False


SELECTED = Ranking(name="selected", label="selected (mu-Lasso)", kind="selected", either_sign=True)
RESPONSE = Ranking(
    name="response",
    label="mean response",
    kind="predictive",
    function="vebi.studies.identifiability.predictive:response",
)
RANDOM = Ranking(name="random_layer_matched", label="random", kind="random")

# In the order of the figure.
RANKINGS = by_name(
    (
        SELECTED,
        RESPONSE,
        Ranking(
            name="omp",
            label="matching pursuit",
            kind="predictive",
            function="vebi.studies.identifiability.predictive:matching_pursuit",
            either_sign=True,
        ),
        Ranking(
            name="elastic_net",
            label="elastic net",
            kind="predictive",
            function="vebi.studies.identifiability.predictive:elastic_net",
            either_sign=True,
        ),
        Ranking(
            name="logistic",
            label="logistic probe",
            kind="predictive",
            function="vebi.studies.identifiability.predictive:logistic",
            either_sign=True,
        ),
        Ranking(
            name="taylor",
            label="gradient x activation",
            kind="relevance",
            function="vebi.studies.identifiability.relevance:taylor",
        ),
        Ranking(
            name="lrp",
            label="relevance (LRP)",
            kind="relevance",
            function="vebi.studies.identifiability.relevance:lrp",
        ),
        Ranking(
            name="conductance",
            label="conductance",
            kind="relevance",
            function="vebi.studies.identifiability.relevance:conductance",
        ),
        RANDOM,
    )
)


def of_kind(kind: Kind) -> list[Ranking]:
    """The rankings of a kind, in their order."""
    return [ranking for ranking in RANKINGS.values() if ranking.kind == kind]


def over_classes(values: NDArray[np.float64], ranking: Ranking) -> NDArray[np.float64]:
    """A feature's value for the network, the largest of its classes: (m) of values (classes, m).

    A class whose values are NaN, as one without images, has no say; -inf where none has any.
    """
    sizes = np.abs(values) if ranking.either_sign else values
    return np.fmax.reduce(sizes, axis=0, initial=-np.inf)


def matched(
    values: NDArray[np.float64],
    features: NDArray[np.int64],
    selected: NDArray[np.int64],
    then: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """As many features per layer as are selected, those with the largest values: int64 (n, 2).

    Args:
        values: of the features (m); NaN is the least.
        features: their layers and channels (m, 2).
        selected: the features whose number in each layer is taken (n, 2).
        then: what orders features of equal values (m): those to which a sparse ranking gives no weight.
            Features that are equal in this too go by place.
    """
    then = np.zeros(len(values)) if then is None else then
    parts = [np.zeros((0, 2), np.int64)]
    for layer, count in zip(*np.unique(selected[:, 0], return_counts=True), strict=True):
        places = np.flatnonzero(features[:, 0] == layer)
        best = places[np.lexsort((-then[places], -values[places]))[:count]]
        parts.append(features[np.sort(best)])
    return np.concatenate(parts)
