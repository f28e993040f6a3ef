"""Explanations as one page that needs nothing else: the maps lie over the images."""

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vebi.catalogue.methods import METHODS
from vebi.explanation.explanation import Explanation, FeatureExplanation
from vebi.figures.style import HEATMAP, get_layer_colour

_PAGE = Path(__file__).with_name("page.html")


def explanation_page(explanations: Sequence[Explanation], names: Sequence[str]) -> str:
    """An HTML page of explanations: image, most probable classes, and every map over the image.

    Args:
        explanations: by one method.
        names: of the images.
    """
    label = METHODS[explanations[0].method].label
    parts = (_section(one, name) for one, name in zip(explanations, names, strict=True))
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        method=escape(label), sections="\n".join(parts)
    )


def _section(explanation: Explanation, name: str) -> str:
    image = data_url(as_rgb(explanation.image))
    scores = "".join(
        f"<li><span>{escape(score.name)}</span><span>{score.probability:.1%}</span>"
        f'<i style="width:{100 * score.probability:.1f}%"></i></li>'
        for score in explanation.scores
    )
    figures = [_figure(image, one, explanation.predicted) for one in explanation.features]
    title = "All features together" if figures else METHODS[explanation.method].label
    figures.insert(0, _over(image, explanation.heatmap, f"<b>{escape(title)}</b>", ""))
    return (
        f"<section><h2>{escape(explanation.predicted)} <small>{escape(name)}</small></h2>"
        '<div class="row">'
        f'<figure><div class="stack"><img src="{image}" alt="the image"></div>'
        f"<figcaption><ol>{scores}</ol></figcaption></figure>{''.join(figures)}</div></section>"
    )


def _figure(image: str, feature: FeatureExplanation, predicted: str) -> str:
    colour = get_layer_colour(feature.layer_type, feature.spatial)
    caption = (
        f'<b style="background:{colour}">{_breakable(feature.label)}</b>'
        f"layer {feature.layer_number}, channel {feature.channel}<br>"
        f"{escape(feature.strength)}"
    )
    alt = f"where channel {feature.channel} of {feature.layer} sees {predicted}"
    return _over(image, feature.heatmap, caption, alt)


def _breakable(name: str) -> str:
    """A name that a browser may break where its parts end."""
    return re.sub(r"([._/-])", r"\1<wbr>", escape(name))


def _over(image: str, heatmap: NDArray[np.floating], caption: str, alt: str) -> str:
    """A map over the image, the less opaque the lower it is."""
    pixels = (255 * mpl.colormaps[HEATMAP](heatmap)).round().astype(np.uint8)
    # Single bright pixels are what a map is made of: they must not drown in the image.
    pixels[..., 3] = np.rint(255 * np.clip(heatmap, 0, 1) ** 0.4)
    return (
        f'<figure><div class="stack"><img class="under" src="{image}" alt=""><img class="map" '
        f'src="{data_url(pixels)}" alt="{escape(alt)}"></div><figcaption>{caption}</figcaption></figure>'
    )


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture uint8 (H, W, 1 or 3) with three channels."""
    return image if image.shape[-1] == 3 else np.repeat(image[..., :1], 3, axis=-1)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """An image (H, W, 3 or 4) as text that stands for its PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
