"""Visual explanation by interpretation: reproduce, check and use it on your own networks.

`vebi.fit(model, images, labels)` selects the features that carry each class and returns an
`Explainer`, whose `explain` and `panel` explain images; `vebi.load` and `vebi.explain` do so with a
selection that was made before. `vebi.MuLasso` is the selection alone, as an estimator of scikit-learn.
`vebi.Attribution(model, method)` has captum's `attribute`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
