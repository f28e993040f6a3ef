"""The public face: any network explained in Python, from the command line or from a run."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.explanation.attribution import Attribution
    from vebi.explanation.explain import explain_batch
    from vebi.explanation.explainer import Explainer, fit, load
    from vebi.explanation.explanation import ClassScore, Explanation, FeatureExplanation
    from vebi.explanation.image_files import explain_files
    from vebi.explanation.network_source import NetworkSource, find_network
    from vebi.explanation.panels import draw_panels

__all__ = [
    "Attribution",
    "ClassScore",
    "Explainer",
    "Explanation",
    "FeatureExplanation",
    "NetworkSource",
    "draw_panels",
    "explain_batch",
    "explain_files",
    "find_network",
    "fit",
    "load",
]

__getattr__ = late_names(
    __name__,
    {
        "attribution": ("Attribution",),
        "explain": ("explain_batch",),
        "explainer": ("Explainer", "fit", "load"),
        "explanation": ("ClassScore", "Explanation", "FeatureExplanation"),
        "image_files": ("explain_files",),
        "network_source": ("NetworkSource", "find_network"),
        "panels": ("draw_panels",),
    },
)
