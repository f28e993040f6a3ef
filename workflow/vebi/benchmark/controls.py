"""Maps that know nothing of the network and should lose, and maps that know an answer and should win."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import sobel

from vebi.benchmark.bench import Bench, Maps
from vebi.catalogue.methods import CHANCE
from vebi.heatmaps.maps import scale_to_unit
from vebi.studies.interventions.measure import random_maps
from vebi.studies.interventions.parts import OF_A_PART, effects_of_parts, meaningful


def chance(bench: Bench) -> Maps:
    """Independent uniform pixels."""
    return random_maps(bench.effects.image_index, bench.masks.shape[1:], 0)


def brightness(bench: Bench) -> Maps:
    """The mean of the image's channels."""
    return _scaled(_grey(bench))


def edges(bench: Bench) -> Maps:
    """Length of the brightness's gradient, by Sobel's filters."""
    # Image by image: the filter smooths along every axis that it does not differentiate.
    return _scaled(np.stack([np.hypot(sobel(one, 0), sobel(one, 1)) for one in _grey(bench)]))


def true_mask(bench: Bench) -> Maps:
    """One on the part that carries the class, zero elsewhere."""
    return bench.masks.astype(np.float32)


def oracle(bench: Bench) -> Maps:
    """At each pixel the true effect of its part, as far as it was measured."""
    effects = bench.effects
    true = effects_of_parts(
        effects.score_drop,
        list(effects.change_parts),
        list(effects.change_kinds),
        list(effects.parts),
        OF_A_PART,
    )
    true = meaningful(true)
    low = np.nanmin(true, axis=1, keepdims=True)
    shown = np.where(np.isnan(true), low, true)
    return _scaled(np.einsum("np,nphw->nhw", shown, bench.parts).astype(np.float32))


# They must lose.
NEGATIVE: Mapping[str, Callable[[Bench], Maps]] = {
    CHANCE.name: chance,
    "brightness": brightness,
    "edges": edges,
}
# They must win: the mask by the measures of localisation, the oracle by those of true effects.
POSITIVE: Mapping[str, Callable[[Bench], Maps]] = {"true_mask": true_mask, "oracle": oracle}
CONTROLS = (*NEGATIVE, *POSITIVE)


def _grey(bench: Bench) -> NDArray[np.float32]:
    return bench.images.mean(3, dtype=np.float32)


def _scaled(maps: Maps) -> Maps:
    """Each map (n, H, W) from 0 to 1, as every method's are."""
    return scale_to_unit(torch.from_numpy(maps)).numpy()
