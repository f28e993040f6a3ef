"""Every figure: type that can be read, nothing in its way.

Those of tables are drawn from the committed ones, those of a run's files from made ones with long names.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from tests.repository_tools import load_tool

from vebi.catalogue.methods import METHODS
from vebi.data.an8flower.scene import MAX_OBJECTS, PARTS
from vebi.explanation.explanation import Explanation, FeatureExplanation
from vebi.explanation.panels import draw_panels
from vebi.figures.names import named
from vebi.figures.style import SMALL, WIDTH, save
from vebi.perturbation.perturbations import PERTURBATIONS
from vebi.studies.artefacts.examples import DrawnFeature
from vebi.studies.artefacts.figures import draw_artefact_maps
from vebi.studies.average.figures import draw_average_rows, draw_average_sheet
from vebi.studies.average.patches import Tile
from vebi.studies.explanations.figures import draw_examples
from vebi.studies.networks.figures import draw_histories, draw_montage
from vebi.studies.perturbation.figures import draw_contact_sheet, draw_scatter
from vebi.studies.selection.figures import draw_selection_path

# Web Content Accessibility Guidelines 2.1, 1.4.3.
LEAST_CONTRAST = 4.5


def texts_of(figure: Figure) -> list[tuple[Text, Bbox]]:
    shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    # Ticks beyond an axis' ends keep a label that is not drawn.
    drawn_ticks = {
        id(label)
        for axis in figure.axes
        for one, (low, high) in (
            (axis.xaxis, sorted(axis.get_xlim())),
            (axis.yaxis, sorted(axis.get_ylim())),
        )
        for tick in [*one.get_major_ticks(), *one.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not low - 1e-9 <= tick.get_loc() <= high + 1e-9
    }
    return [(t, t.get_window_extent()) for t in shown if id(t) not in drawn_ticks]


def luminance(colour) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(text: Text) -> float:
    """With its own box, or with white, on which all other text of these figures stands."""
    box = text.get_bbox_patch()
    ground = luminance(box.get_facecolor()) if isinstance(box, Patch) else 1.0
    lower, higher = sorted((luminance(text.get_color()), ground))
    return (higher + 0.05) / (lower + 0.05)


def check(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()
    assert figure.get_figwidth() <= WIDTH + 1e-9
    page = Bbox.from_bounds(0, 0, *figure.canvas.get_width_height())
    texts = texts_of(figure)
    assert texts
    for text, box in texts:
        assert text.get_fontsize() >= SMALL, text
        assert contrast(text) >= LEAST_CONTRAST, text
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, f"cut off: {text}"
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, f"cut off: {text}"
    for (one, box), (other, neighbour) in combinations(texts, 2):
        if one.get_rotation() % 90 or other.get_rotation() % 90:
            # The box of a slanted text is mostly empty.
            continue
        width = min(box.x1, neighbour.x1) - max(box.x0, neighbour.x0)
        height = min(box.y1, neighbour.y1) - max(box.y0, neighbour.y0)
        assert not (width > 1 and height > 2), f"{one} overlaps {other}"


def pytest_generate_tests(metafunc) -> None:
    if "run" in metafunc.fixturenames:
        root = metafunc.config.rootpath
        metafunc.parametrize(("run", "name"), list(load_tool("figures").of_tables(root)))


def differ(one: Path, other: Path) -> bool:
    """Whether two pictures show something else. Another processor may round a grey differently."""
    first, second = (np.asarray(Image.open(path).convert("RGB"), np.int16) for path in (one, other))
    if first.shape != second.shape:
        return True
    return int((np.abs(first - second).max(axis=2) > 32).sum()) > 20


def test_a_changed_word_in_a_figure_is_seen(root, tmp_path) -> None:
    figures = load_tool("figures")
    drawn = figures.draw(root, "mnist", "ablation_bars")
    save(drawn, tmp_path / "one.png")
    assert not differ(tmp_path / "one.png", tmp_path / "one.png")
    drawn.axes[0].set_ylabel("mean class accuracies")
    save(drawn, tmp_path / "other.png")
    assert differ(tmp_path / "one.png", tmp_path / "other.png")


def test_figures_of_tables_can_be_read_and_are_the_committed_ones(
    root, tmp_path, run: str, name: str
) -> None:
    figures = load_tool("figures")
    figure = figures.draw(root, run, name)
    save(figure, tmp_path / "figure.png")
    committed = figures.committed_path(root, run, name)
    if committed.is_file():
        stale = differ(committed, tmp_path / "figure.png")
        assert not stale, f"{committed} is not what the code draws: make pages"
    check(figure)


OVERVIEW_METHODS = load_tool("figures").OVERVIEW_METHODS
RNG = np.random.default_rng(0)
MAPS = RNG.random((6, 9, 9)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)
CLASS = "white-throated needletail of the north"
SHOWN_AS = {"d": "A data set, 60,000 images", "m": "Network with global average pooling"}
LAYER = "backbone.layer4.2.conv3"
MOST_PARTS = (*PARTS, *(f"object {n}" for n in range(MAX_OBJECTS)))
LINE = {0: (np.array([1.0, 2.0]), np.array([3, 4]), np.array([0.5, 0.4]))}
EXPERIMENTS = [("d", "m"), ("d", "n"), ("e", "m")]
FEATURE = FeatureExplanation(
    layer_number=128,
    layer=LAYER,
    layer_type="conv",
    spatial=True,
    channel=1024,
    heatmap=MAPS[0],
    metric="relevance",
    value=0.1,
    weight=0.5,
    response=0.2,
    share=0.8,
)
TILES = [
    Tile(12, LAYER, kind, True, 512, 0.5, 100, MAPS[0] * 255, IMAGES[:5]) for kind in ("conv", "fc")
]
OF_FILES = {
    "training": lambda: draw_histories(
        {
            (*e, 0): pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.9]})
            for e in EXPERIMENTS
        },
        {"d": 10_000, "e": 10_000},
    ),
    "selection_path": lambda: draw_selection_path(
        {(*e, scope): LINE for e in EXPERIMENTS for scope in ("all", "conv")},
        dict.fromkeys(EXPERIMENTS, 60_000),
    ),
    "montage": lambda: draw_montage(IMAGES, [CLASS] * 6, MAPS > 0.5),
    "panels": lambda: draw_panels(
        [Explanation(IMAGES[0], CLASS, 0.9, (FEATURE,) * 3, MAPS[0], "vebi")] * 2
    ),
    "examples": lambda: draw_examples(
        IMAGES,
        MAPS > 0.5,
        dict.fromkeys(METHODS, MAPS),
        [CLASS] * 6,
        dict.fromkeys(METHODS, np.full(6, 0.5)),
        distractors=MAPS > 0.5,
    ),
    "examples_of_two_images": lambda: draw_examples(
        IMAGES[:2],
        MAPS[:2] > 0.5,
        dict.fromkeys(OVERVIEW_METHODS, MAPS[:2]),
        [CLASS] * 2,
        dict.fromkeys(OVERVIEW_METHODS, np.full(2, 0.5)),
    ),
    "artefact_maps": lambda: draw_artefact_maps(
        [
            DrawnFeature(
                *(IMAGES[0], "petals-magenta", 12, "relu3", 113, 8, True),
                {name: MAPS[0] for name, method in METHODS.items() if method.paper},
                dict.fromkeys(METHODS, 0.5),
            )
        ]
    ),
    "average": lambda: draw_average_rows([(CLASS, TILES)] * 5),
    "average_sheet": lambda: draw_average_sheet(CLASS, TILES),
    "average_sheet_of_parts": lambda: draw_average_sheet(
        CLASS,
        TILES,
        {(LAYER, 512): {part: 0.9 / rank for rank, part in enumerate(MOST_PARTS, 1)}},
    ),
    "perturbations": lambda: draw_contact_sheet(
        IMAGES[0], {name: (0.5, range(6), IMAGES.astype(np.float32)) for name in PERTURBATIONS}
    ),
    "resampling_scatter": lambda: draw_scatter(
        {f"{LAYER}.{n}": {"correlation": MAPS[0], "precision": MAPS[1]} for n in range(6)}, 3, CLASS
    ),
}


@pytest.mark.parametrize("name", OF_FILES)
def test_figures_of_files_can_be_read(name: str) -> None:
    with named(SHOWN_AS):
        check(OF_FILES[name]())
