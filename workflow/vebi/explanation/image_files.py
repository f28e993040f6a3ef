"""What `vebi explain` does: image files in, a panel and the numbers out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vebi.catalogue.methods import OURS, get_method
from vebi.data.decoding import Decoding, read_pixels
from vebi.explanation.explanation import as_plain
from vebi.explanation.network_source import NetworkSource, find_network
from vebi.explanation.page import explanation_page
from vebi.explanation.panels import draw_panels
from vebi.figures.style import save
from vebi.io.files import write_text
from vebi.run.manifest import canonical_json


def explain_files(
    images: Sequence[Path],
    source: NetworkSource,
    out: Path,
    *,
    method: str = OURS.name,
    mu: float | None = None,
    top: int = 3,
    device: str = "auto",
    html: bool = False,
) -> list[Path]:
    """Explain image files; write the panel (PNG, PDF) and the numbers (JSON) to `out`.

    Args:
        images: files of any common format.
        source: the network.
        out: folder to write to, also what is made of `source.data`.
        method: a name of the catalogue's METHODS.
        mu: of the selection; None: the run's heatmap_mu, or 10.
        top: features per image.
        device: where descriptors of `source.data` are computed.
        html: write a page with the maps over the images (HTML), too.

    Returns:
        The files of the explanation.
    """
    found = find_network(source, get_method(method), out, mu=mu, device=device)
    pixels = np.stack([read_image(path, found.decoding, found.shape) for path in images])
    explanations = found.explainer.explain(pixels, method, top)
    panel, numbers = out / "explanation.png", out / "explanation.json"
    save(draw_panels(explanations), panel)
    content = {
        **found.facts,
        "method": method,
        "images": [
            {"file": str(path), **as_plain(explanation)}
            for path, explanation in zip(images, explanations, strict=True)
        ],
    }
    write_text(numbers, canonical_json(content))
    written = [panel, panel.with_suffix(".pdf"), numbers]
    if html:
        page = out / "explanation.html"
        write_text(page, explanation_page(explanations, [path.name for path in images]))
        written.append(page)
    return written


def read_image(path: Path, decoding: Decoding, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An image file as uint8 (H, W, C) of the given shape, decoded as a data set's images are."""
    pixels = read_pixels(path, decoding)
    if pixels.shape == shape:
        return pixels
    height, width, channels = shape
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.uint8).reshape(shape)
