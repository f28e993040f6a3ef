"""The panels of a run: its figure of explanations."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from vebi.data.dataset import TEST, open_dataset
from vebi.explanation.explainer import load
from vebi.explanation.panels import draw_panels
from vebi.figures.images import pick_examples
from vebi.models.model_file import load_model


def draw_run_panels(
    *,
    dataset: Path,
    model: Path,
    descriptors: Path,
    path: Path,
    images: int,
    top: int,
    mu: float,
    factories: Sequence[str] = (),
) -> Figure:
    """Panels of some test images of a run, from the files of one network.

    `factories`: the user's own code that the network may be made with.
    """
    data = open_dataset(dataset)
    network, classes = load_model(model, factories=factories)
    chosen = pick_examples(data.labels, data.split, TEST, images)
    explainer = load(network, descriptors, path, mu=mu, classes=classes)
    return draw_panels(explainer.explain(data.read("images", chosen), top=top))
