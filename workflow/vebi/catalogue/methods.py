"""The heatmap methods. CONTRIBUTING.md says how to add one."""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from vebi.catalogue.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from vebi.catalogue.record import by_name, look_up
from vebi.io.calls import parse_call
from vebi.io.errors import VebiError
from vebi.record import record

# What becomes of a method's negative values: their positive part counts, their size, or they are an
# error, for a method that should have none.
Negative = Literal["positive", "absolute", "refuse"]


@record
class Method:
    """A way to make heatmaps.

    Args:
        name: in the configuration, in tables and in the names of files.
        label: in legends.
        short: above a picture, on two lines.
        colour, line: of its curves; colours that are alike to some eyes have different lines.
        explains: features of hidden layers, each with a map of its own, or the predicted class.
        function: draws a `FeatureBatch`, or gives the signal of a `ClassBatch`, as text; or a function
            of the user's or of another library (`user_method`).
        source: of a method that explains features: chooses them, as text.
        metric: what the source ranks features by; "relevance" is the mu-Lasso's, which needs a
            selection to have been made.
        spatial_only: it can draw only features that are maps themselves.
        paper: one of the paper's own comparison; all others but chance are drawn thinner.
        reference_in: the studies that compare every other method with it.
        shown_first: in the report's gallery, where the others are a click away.
        in_findings: its sanity verdict is among the report's findings.
        negative: what becomes of negative values, see `Negative`.
    """

    name: str
    label: str
    short: str
    colour: str
    line: Literal["-", "--", "-.", ":"] = "-"
    explains: Literal["features", "class"]
    function: str
    source: str = ""
    metric: str = ""
    spatial_only: bool = False
    paper: bool = False
    reference_in: tuple[str, ...] = ()
    shown_first: bool = False
    in_findings: bool = False
    negative: Negative = "positive"


# In the order of the figures.
METHODS: dict[str, Method] = by_name(
    (
        Method(
            name="upsampled_activation",
            label="upsampled activation",
            short="upsampled\nactivation",
            colour=SKY,
            explains="features",
            function="vebi.heatmaps.methods.upsampled_activation:draw",
            source="vebi.heatmaps.ranking:relevant_maps",
            metric="relevance",
            spatial_only=True,
            paper=True,
            reference_in=("iou", "artefacts", "occlusion"),
            shown_first=True,
        ),
        Method(
            name="deconv_gb",
            label="deconvnet + guided backprop",
            short="deconvnet +\nguided backprop",
            colour=ORANGE,
            explains="features",
            function="vebi.heatmaps.methods.deconv_gb:draw",
            source="vebi.heatmaps.ranking:relevant_features",
            metric="relevance",
            paper=True,
            reference_in=("iou", "artefacts", "occlusion", "sanity"),
            shown_first=True,
            in_findings=True,
        ),
        Method(
            name="vebi",
            label="VEBI (stride 1 in conv + pool)",
            short="VEBI\n(conv + pool)",
            colour=BLUE,
            explains="features",
            function="vebi.heatmaps.methods.vebi:draw",
            source="vebi.heatmaps.ranking:relevant_features",
            metric="relevance",
            paper=True,
            shown_first=True,
            in_findings=True,
        ),
        Method(
            name="vebi_conv",
            label="VEBI (stride 1 in conv only)",
            short="VEBI\n(conv only)",
            colour=GREEN,
            line="--",
            explains="features",
            function="vebi.heatmaps.methods.vebi_conv:draw",
            source="vebi.heatmaps.ranking:relevant_features",
            metric="relevance",
            paper=True,
            shown_first=True,
        ),
        Method(
            name="resampling_correlation",
            label="input resampling: correlation",
            short="resampling:\ncorrelation",
            colour=VERMILION,
            line="-.",
            explains="features",
            function="vebi.heatmaps.methods.deconv_gb:draw",
            source="vebi.heatmaps.methods.resampling_correlation:choose",
            metric="correlation",
        ),
        Method(
            name="resampling_precision",
            label="input resampling: precision",
            short="resampling:\nprecision",
            colour=PURPLE,
            line="-.",
            explains="features",
            function="vebi.heatmaps.methods.deconv_gb:draw",
            source="vebi.heatmaps.methods.resampling_precision:choose",
            metric="precision",
        ),
        # Tol's muted palette (but the first), for what stands next to the paper's methods.
        Method(
            name="gradient_x_input",
            label="gradient × input",
            short="gradient\n× input",
            colour="#7F4A1E",
            explains="class",
            function="vebi.heatmaps.methods.gradient_x_input:signal",
        ),
        Method(
            name="integrated_gradients",
            label="integrated gradients",
            short="integrated\ngradients",
            colour="#882255",
            line="-.",
            explains="class",
            function="vebi.heatmaps.methods.integrated_gradients:signal",
        ),
        Method(
            name="grad_cam",
            label="Grad-CAM",
            short="Grad-CAM",
            colour="#332288",
            explains="class",
            function="vebi.heatmaps.methods.grad_cam:signal",
            shown_first=True,
            in_findings=True,
        ),
        Method(
            name="guided_backprop",
            label="guided backprop of the class",
            short="guided\nbackprop",
            colour="#999933",
            line="--",
            explains="class",
            function="vebi.heatmaps.methods.guided_backprop:signal",
            reference_in=("sanity",),
            in_findings=True,
        ),
        Method(
            name="guided_grad_cam",
            label="guided Grad-CAM",
            short="guided\nGrad-CAM",
            colour="#DDCC77",
            line="-.",
            explains="class",
            function="vebi.heatmaps.methods.guided_grad_cam:signal",
        ),
        Method(
            name="lrp",
            label="LRP (epsilon plus flat)",
            short="LRP",
            colour="#117733",
            line="--",
            explains="class",
            function="vebi.heatmaps.methods.lrp:signal",
            shown_first=True,
            in_findings=True,
        ),
        Method(
            name="smooth_deep_saliency",
            label="Smooth Deep Saliency",
            short="Smooth Deep\nSaliency",
            colour="#AA4499",
            line="--",
            explains="class",
            function="vebi.heatmaps.methods.smooth_deep_saliency:signal",
        ),
    )
)
# What tables hold besides the methods: maps, or boxes, without regard to the image.
CHANCE = Method(
    name="random",
    label="random map",
    short="random\nmap",
    colour=GREY,
    line=":",
    explains="class",
    function="",
    reference_in=("iou", "occlusion"),
)
# Of methods that are not the catalogue's; beyond them they come again.
USER_LOOKS: tuple[tuple[str, Literal["-", "--", "-.", ":"]], ...] = (
    ("#000000", "-"),
    ("#6600ff", "-."),
    ("#00cc00", ":"),
    ("#ff66ff", "--"),
    ("#cc00ff", ":"),
    ("#003300", ":"),
)
# All rows of the tables.
DRAWN: dict[str, Method] = {**METHODS, CHANCE.name: CHANCE}
# Names that `further_methods` can't take.
BUILT_IN = frozenset(DRAWN)
# The paper's method, which others are shown next to, and its peer: guided backpropagation of features.
OURS, PEER = METHODS["vebi"], METHODS["deconv_gb"]


def get_method(name: str) -> Method:
    """The method of this name, or of the user's function that it says; VebiError for an unknown one."""
    if ":" in name and name not in METHODS:
        return user_method(name, name)
    return look_up("heatmap method", name, METHODS)


def user_method(
    name: str, function: str, negative: Negative = "positive", place: int = 0
) -> Method:
    """A method that explains the predicted class by a function of the user's or of another library.

    Args:
        name: in tables, and in names of files.
        function: `module:function`, `file.py:function`, or an adapter such as `captum:Saliency`, with
            arguments in parentheses if it takes any.
        negative: what becomes of negative values.
        place: its number among the user's methods; chooses colour and line.

    Raises:
        VebiError: `function` is of another form.
    """
    parse_call(function, "heatmap method")
    look = USER_LOOKS[place % len(USER_LOOKS)]
    return Method(
        name=name,
        label=name,
        short="\n".join(textwrap.wrap(name.replace("_", "_ "), 14)).replace("_ ", "_"),
        colour=look[0],
        line=look[1],
        explains="class",
        function=function,
        negative=negative,
        shown_first=True,
        in_findings=True,
    )


@contextmanager
def further_methods(methods: Iterable[Method]) -> Iterator[None]:
    """Inside the block the catalogue has these methods, too, after its own.

    Raises:
        VebiError: a name that the catalogue has.
    """
    added = list(methods)
    if taken := [one.name for one in added if one.name in DRAWN]:
        raise VebiError(
            f"heatmap method '{taken[0]}' is one of the catalogue's own: give yours another name."
        )
    for one in added:
        METHODS[one.name] = DRAWN[one.name] = one
    try:
        yield
    finally:
        for one in added:
            del METHODS[one.name], DRAWN[one.name]


def in_order(names: Iterable[str]) -> list[str]:
    """Those of the names that are methods or chance, each once, in the order of the figures."""
    present = set(names)
    return [name for name in DRAWN if name in present]


def references_of(study: str) -> tuple[str, ...]:
    """Names of the methods that a study compares every other one with, chance last."""
    return tuple(name for name, method in DRAWN.items() if study in method.reference_in)


def pairs_of(study: str, methods: Iterable[str]) -> list[tuple[str, str]]:
    """What a study compares among `methods`: (method, reference), every one with every reference."""
    names = list(methods)
    references = [name for name in references_of(study) if name in names]
    return [(name, reference) for reference in references for name in names if name != reference]
