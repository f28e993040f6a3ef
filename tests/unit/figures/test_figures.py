import itertools
import re
from typing import cast

import matplotlib.colors
import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from vebi.catalogue.methods import CHANCE, DRAWN, METHODS
from vebi.explanation.explanation import Explanation, FeatureExplanation
from vebi.explanation.panels import draw_panels
from vebi.figures import style
from vebi.figures.images import pick_examples
from vebi.figures.names import name_of, named, say_names, short_title
from vebi.studies.ablation.effect import CONTROLS
from vebi.studies.ablation.figures import draw_ablation, draw_ablation_bars
from vebi.studies.iou.figures import draw_distractors, draw_iou_curves, draw_localisation
from vebi.studies.iou.iou_file import LOCALISATION
from vebi.studies.networks.figures import draw_histories, draw_montage
from vebi.studies.selection.figures import draw_selection_path

PAPER_METHODS = [name for name, method in METHODS.items() if method.paper]


def ablation_table():
    rows = []
    for scope, mu in itertools.product(["all", "conv"], [1.0, 10.0]):
        for condition in ["selected", *CONTROLS]:
            rows += [("d", "m", s, scope, mu, condition, 0, 3, 0.5 + 0.1 * s) for s in (0, 1)]
    rows += [
        ("d", "m", s, scope, 0.0, "none", 0, 0, 1.0) for s in (0, 1) for scope in ("all", "conv")
    ]
    keys = ["dataset", "model", "seed", "scope", "mu", "condition", "repeat"]
    table = pd.DataFrame(rows, columns=[*keys, "n_ablated", "mean_class_accuracy"])
    return table.assign(n_images=240)


def explanation(n_features):
    rng = np.random.default_rng(n_features)
    feature = FeatureExplanation(
        layer_number=1,
        layer="conv1",
        layer_type="conv",
        spatial=True,
        channel=4,
        heatmap=rng.random((9, 9)),
        metric="relevance",
        value=0.1,
        weight=0.5,
        response=0.2,
        share=0.8,
    )
    image = rng.integers(0, 256, (9, 9, 1), dtype=np.uint8)
    return Explanation(image, "rose", 0.9, (feature,) * n_features, rng.random((9, 9)), "vebi")


def iou_tables(*others):
    thresholds = np.linspace(0, 1, 11)
    runs = list(itertools.product(["vebi", "deconv_gb", *others, CHANCE.name], [0, 1]))
    curves = pd.concat(
        pd.DataFrame({"method": m, "seed": s, "threshold": thresholds, "mean_iou": 1 - thresholds})
        for m, s in runs
    )
    areas = pd.DataFrame({"method": m, "seed": s, "auc": 0.5, "n_images": 9} for m, s in runs)
    return curves.assign(dataset="d", model="m"), areas.assign(dataset="d", model="m")


def place_table(columns):
    rows = itertools.product([*PAPER_METHODS, "lrp", CHANCE.name], [0, 1])
    table = pd.DataFrame([{"method": m, "seed": s, "n_images": 9} for m, s in rows])
    for column in columns:
        value = 0.2 + 0.1 * (len(column) % 5)
        table = table.assign(
            **{column: value, f"{column}_ci_low": value / 2, f"{column}_ci_high": value + 0.1}
        )
    return table.assign(dataset="d", model="m")


DISTRACTED = [
    *("mass_on_part", "mass_on_distractors", "mass_elsewhere"),
    *("area_part", "area_distractors", "area_elsewhere", "distractor_auc"),
]
LINE = (np.array([1.0, 2.0]), np.array([3, 4]), np.array([0.5, 0.4]))
HISTORY = pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.9]})
FIGURES = {
    "training": lambda: draw_histories(
        {("d", "m", 0): HISTORY, ("d", "m", 1): HISTORY}, {"d": 360}
    ),
    "ablation": lambda: draw_ablation(ablation_table()),
    "bars": lambda: draw_ablation_bars(ablation_table(), {("d", "m"): 10.0}),
    "iou": lambda: draw_iou_curves(*iou_tables()),
    "iou_with_others": lambda: draw_iou_curves(*iou_tables("lrp")),
    "localisation": lambda: draw_localisation(place_table(LOCALISATION)),
    "distractors": lambda: draw_distractors(place_table(DISTRACTED)),
    "path": lambda: draw_selection_path(
        {("d", "m", s): {0: LINE} for s in ("all", "conv")}, {("d", "m"): 960}
    ),
    "montage": lambda: draw_montage(
        np.zeros((7, 5, 5, 3), np.uint8), list("abcdefg"), np.ones((7, 5, 5), bool)
    ),
    "panels": lambda: draw_panels([explanation(3), explanation(0), explanation(1)]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_equal_input_is_equal_bytes(name, tmp_path):
    for run in ("a", "b"):
        style.save(FIGURES[name](), tmp_path / f"{run}.png")
    for suffix in ("png", "pdf"):
        first = (tmp_path / f"a.{suffix}").read_bytes()
        assert first == (tmp_path / f"b.{suffix}").read_bytes()
        assert len(first) > 2000
        assert b"CreationDate" not in first


def test_the_last_bit_of_a_position_is_not_seen_in_a_pdf(tmp_path) -> None:
    """Ten decimals of 65.61506640625 are one number or another, as its last bit says."""
    first = style._short_number(65.61506640625)
    assert first == style._short_number(np.nextafter(65.61506640625, 0)) == b"65.615066"
    assert style._short_number(np.float32(0.5)) == b"0.5"
    assert style._short_number(3) == b"3"
    figure = Figure()
    figure.text(1 / 3, 2 / 7, "turned", rotation=90)
    with matplotlib.rc_context({"pdf.compression": 0}):
        style.save(figure, tmp_path / "one.png")
    written = (tmp_path / "one.pdf").read_bytes()
    assert re.search(rb"\d\.\d{6}\D", written), "the numbers can't be read"
    assert not re.search(rb"\d\.\d{7}", written)


def test_bars_show_the_means_and_the_counts():
    axis = draw_ablation_bars(ablation_table(), {("d", "m"): 10.0}).axes[0]
    heights = [patch.get_height() for patch in cast(list[Rectangle], axis.patches)]
    assert heights == pytest.approx([0.55, 0.55, 0.55, 0.55, 0.55, 1.0])
    names = [label.get_text() for label in axis.get_xticklabels()]
    assert [name.rpartition(" ")[2] for name in names] == ["(3)"] * 5 + ["(0)"]
    assert [name.rpartition(" ")[0] for name in names][::5] == ["All", "whole network"]
    assert not axis.texts, "a number in a short bar would lie under its dots"


def test_iou_legend_names_every_method_with_its_area():
    axis = draw_iou_curves(*iou_tables()).axes[0]
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == [f"{DRAWN[m].label}: 0.500" for m in ("deconv_gb", "vebi", CHANCE.name)]


def test_other_methods_stand_below_the_paper_s_with_vebi_as_reference():
    upper, lower = draw_iou_curves(*iou_tables("lrp", "grad_cam")).axes
    for axis, methods in (
        (upper, ["deconv_gb", "vebi", CHANCE.name]),
        (lower, ["grad_cam", "lrp"]),
    ):
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        methods = methods if axis is upper else [*methods, "vebi", CHANCE.name]
        assert labels == [f"{DRAWN[m].label}: 0.500" for m in methods]
    assert upper.get_ylim() == lower.get_ylim()


def test_bars_of_distractors_add_up_to_the_whole_map():
    table = place_table(DISTRACTED).assign(
        mass_on_part=0.5, mass_on_distractors=0.3, mass_elsewhere=0.2, area_part=0.1
    )
    axis = draw_distractors(table).axes[0]
    ends = sorted(
        patch.get_x() + patch.get_width() for patch in cast(list[Rectangle], axis.patches)
    )
    assert ends == pytest.approx([0.5] * 6 + [0.8] * 6 + [1.0] * 6)
    # Half of the mass on a tenth of the area is five times as dense as chance.
    assert "5.0" in [text.get_text() for text in axis.texts]


def test_panel_labels_follow_the_paper_green_for_maps_pink_for_single_values():
    assert style.get_layer_colour("conv", True) == style.LAYER_COLOURS["conv"]
    assert style.get_layer_colour("pool", True) == style.LAYER_COLOURS["conv"]
    assert style.get_layer_colour("fc", False) == style.LAYER_COLOURS["fc"]
    assert style.get_layer_colour("relu", False) == style.LAYER_COLOURS["fc"]


@pytest.mark.parametrize(("n_features", "n_images"), [(0, 1), (1, 1), (3, 4)])
def test_a_sheet_of_heatmaps_has_one_colour_bar_whose_words_lie_apart(n_features, n_images):
    figure = draw_panels([explanation(n_features)] * n_images)
    FigureCanvasAgg(figure).draw()
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert len(bars) == 1
    words = [label.get_text() for label in bars[0].get_xticklabels()]
    assert words == ["least", "most"]
    page = figure.bbox
    boxes = [t.get_window_extent() for t in (*bars[0].get_xticklabels(), bars[0].xaxis.label)]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    for box in boxes:
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0
        assert not any(box.overlaps(picture) for picture in pictures)


def test_every_method_and_condition_has_its_own_colour_and_name():
    assert len({method.label for method in DRAWN.values()}) == len(DRAWN)
    assert len({method.short for method in DRAWN.values()}) == len(DRAWN)
    assert {"selected", "none", *CONTROLS} == set(style.CONDITION_COLOURS)
    of_methods = {name: method.colour for name, method in DRAWN.items()}
    for colours in (of_methods, style.CONDITION_COLOURS):
        values = [matplotlib.colors.to_rgb(c) for c in colours.values()]
        distances = [
            np.linalg.norm(np.subtract(a, b)) for a, b in itertools.combinations(values, 2)
        ]
        assert min(distances) > 0.25


def test_figures_of_ablation_say_how_many_images_and_networks_stand_behind_them():
    for figure in (
        draw_ablation(ablation_table()),
        draw_ablation_bars(ablation_table(), {("d", "m"): 10.0}),
    ):
        assert all("240 test images, 2 seeds" in axis.get_title() for axis in figure.axes)


def test_picking_goes_round_the_classes():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 0])
    split = np.array([0, 1, 1, 1, 1, 0, 1, 1])
    assert pick_examples(labels, split, 1, 5).tolist() == [1, 3, 6, 2, 4]
    assert pick_examples(labels, split, 1, 99).tolist() == [1, 3, 6, 2, 4, 7]
    # Fewer than there are classes: at equal steps.
    assert pick_examples(labels, split, 1, 2).tolist() == [1, 6]


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_nothing_of_the_user_s_process(name, tmp_path):
    before, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    for _ in range(2):
        figure = FIGURES[name]()
    style.save(figure, tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend() == backend
    # None of them is kept in pyplot's list.
    assert not matplotlib.pyplot.get_fignums()


@pytest.mark.parametrize(
    ("n", "masked", "shape"),
    [
        *((20, False, (4, 5)), (24, False, (3, 8)), (3, False, (1, 3)), (22, False, (3, 8))),
        *((24, True, (6, 4)), (7, True, (2, 4)), (1, True, (1, 1))),
    ],
)
def test_a_montage_fills_its_rows_and_no_more_than_a_page(n, masked, shape):
    masks = np.ones((n, 5, 5), bool) if masked else None
    made = draw_montage(np.zeros((n, 5, 5, 3), np.uint8), ["a"] * n, masks)
    grid = made.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols // (1 + masked)) == shape
    assert made.get_figwidth() <= style.WIDTH


def test_figures_call_data_sets_and_networks_as_people_do():
    shown = {"d": "Some Data", "m": "a network"}
    with named(shown):
        texts = [text.get_text() for text in FIGURES["iou"]().findobj(Text)]
    assert any(text.startswith("Some Data\na network") for text in texts)
    assert any(t.get_text().startswith("d\nm") for t in FIGURES["iou"]().findobj(Text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keras-8 0.5; keras-80, keras-8-b", "Keras 8 0.5; keras-80, B"),
        ("keras-8.", "Keras 8."),
        ("keras-8.csv, results/keras-8/, x.keras-8", "keras-8.csv, results/keras-8/, x.keras-8"),
        ("keras-8-b minus keras-8 0.1", "B minus Keras 8 0.1"),
        ("nothing", "nothing"),
    ],
)
def test_names_in_sentences_are_whole_words(text, said):
    assert say_names(text) == text
    with named({"keras-8": "Keras 8", "keras-8-b": "B"}):
        assert say_names(text) == said
        assert name_of("keras-8") == "Keras 8"
        assert name_of("other") == "other"
        pairs = [("d", "keras-8"), ("d", "other"), ("e", "other")]
        assert short_title("d", "keras-8", pairs) == "d, Keras 8"
        assert short_title("e", "other", pairs) == "e"
        assert short_title("d", "other", [*pairs[1:], ("d", "other")]) == "d"
    assert name_of("keras-8") == "keras-8"
