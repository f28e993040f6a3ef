"""An explanation as a notebook shows it: plain HTML whose images hold all that is to be seen.

Notebooks strip styles and scripts where they don't trust a file, and so does GitHub. So each map is
drawn into the image, nothing is laid over anything by the browser, and sizes are attributes.
"""

from html import escape

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from vebi.catalogue.methods import METHODS
from vebi.explanation.explanation import Explanation
from vebi.explanation.page import as_rgb, data_url
from vebi.figures.style import HEATMAP

# Pixels of the browser: as wide as a picture is shown.
_WIDTH = 160


def explanation_html(explanation: Explanation) -> str:
    """The image with its most probable classes, and every map over the image, as a table of one row."""
    image = as_rgb(explanation.image)
    classes = "<br>".join(
        f"{escape(score.name)} {score.probability:.1%}" for score in explanation.scores
    )
    cells = [_cell(image, "the image", classes or escape(explanation.predicted))]
    together = METHODS[explanation.method].label
    if len(explanation.features) != 1:
        title = f"{escape(together)}{': together' if explanation.features else ''}"
        cells.append(_cell(over_image(image, explanation.heatmap), "the map over the image", title))
    for feature in explanation.features:
        where = f"{feature.label}: channel {feature.channel}"
        text = f"{escape(where)}<br>{escape(feature.strength)}"
        cells.append(_cell(over_image(image, feature.heatmap), f"where {where} looks", text))
    title = f"{explanation.predicted} ({explanation.confidence:.0%})"
    return (
        f"<table><caption><b>{escape(title)}</b>: bright is what the prediction rests on</caption>"
        f'<tr valign="top">{"".join(cells)}</tr></table>'
    )


def over_image(image: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map (H, W) in [0, 1] drawn over an image (H, W, 3) that is darkened and grey.

    The map is the less opaque the lower it is; single bright pixels are what a map is made of, so that
    low values count for more than their share.
    """
    # Rec. 601, as Pillow's conversion to grey.
    grey = image @ np.array([0.299, 0.587, 0.114])
    colours = 255 * mpl.colormaps[HEATMAP](heatmap)[..., :3]
    opacity = 0.9 * np.clip(heatmap, 0, 1)[..., None] ** 0.4
    mixed = opacity * colours + (1 - opacity) * 0.6 * grey[..., None]
    return mixed.round().astype(np.uint8)


def _cell(pixels: NDArray[np.uint8], alt: str, text: str) -> str:
    # Few pixels are enlarged here: a browser would blur them.
    factor = max(1, -(-_WIDTH // pixels.shape[1]))
    enlarged = pixels.repeat(factor, 0).repeat(factor, 1) if factor > 1 else pixels
    source = data_url(enlarged)
    return f'<td><img src="{source}" width="{_WIDTH}" alt="{escape(alt)}"><br>{text}</td>'
