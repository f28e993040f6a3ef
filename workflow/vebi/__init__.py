"""Visual explanation by interpretation: reproduce, check and use it on your own networks.

`vebi.fit(model, images, labels)` selects the features that carry each class and returns an
`Explainer`, whose `explain` and `panel` explain images; `vebi.load` and `vebi.explain` do so with a
selection that was made before. `vebi.Attribution(model, method)` has captum's `attribute`.
"""

from typing import TYPE_CHECKING

from vebi.io.errors import VebiError
from vebi.io.late import late_names
from vebi.version import __version__

if TYPE_CHECKING:
    from vebi.explanation.attribution import Attribution
    from vebi.explanation.explainer import Explainer, explain, fit, load

__all__ = ["Attribution", "Explainer", "VebiError", "__version__", "explain", "fit", "load"]

# Late: `import vebi` stands in every job and .smk file, and torch takes seconds to import.
__getattr__ = late_names(
    __name__,
    {
        "explanation.attribution": ("Attribution",),
        "explanation.explainer": ("Explainer", "explain", "fit", "load"),
    },
)
