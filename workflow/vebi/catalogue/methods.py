"""The heatmap methods. CONTRIBUTING.md says how to add one."""

from collections.abc import Iterable
from typing import Literal

from vebi.catalogue.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from vebi.catalogue.record import by_name, look_up
from vebi.record import record


@record
class Method:
    """A way to make heatmaps.

    Args:
        name: in the configuration, in tables and in the names of files.
        label: in legends.
        short: above a picture, on two lines.
        colour, line: of its curves; colours that are alike to some eyes have different lines.
        explains: features of hidden layers, each with a map of its own, or the predicted class.
        function: draws a `FeatureBatch`, or gives the signal of a `ClassBatch`, as text.
        source: of a method that explains features: chooses them, as text.
        metric: what the source ranks features by; "relevance" is the mu-Lasso's, which needs a
            selection to have been made.
        spatial_only: it can draw only features that are maps themselves.
        paper: one of the paper's own comparison; all others but chance are drawn thinner.
        reference_in: the studies that compare every other method with it.
        shown_first: in the report's gallery, where the others are a click away.
        in_findings: its sanity verdict is among the report's findings.
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
        # Tol's muted palette (but the first), for what stands beside the paper's methods.
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
# What tables hold beside the methods: maps, or boxes, without regard to the image.
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
# All rows of the tables.
DRAWN: dict[str, Method] = {**METHODS, CHANCE.name: CHANCE}
# The paper's method, which others are shown beside, and its peer: guided backpropagation of features.
OURS, PEER = METHODS["vebi"], METHODS["deconv_gb"]


def get_method(name: str) -> Method:
    """The method of this name; VebiError for an unknown one."""
    return look_up("heatmap method", name, METHODS)


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
