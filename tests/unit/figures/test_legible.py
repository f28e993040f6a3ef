"""Every figure of tables, drawn from the committed ones: type that can be read, nothing in its way."""

from itertools import combinations

import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from vebi.catalogue.record import resolve
from vebi.config import parse_config
from vebi.figures.names import named
from vebi.figures.style import SMALL, WIDTH
from vebi.io.tables import read_table
from vebi.run.plan import Plan
from vebi.studies.registry import STUDIES

RUNS = ("default", "distractors", "mcgill", "mnist", "resampling", "robustness")
# Web Content Accessibility Guidelines 2.1, 1.4.3.
LEAST_CONTRAST = 4.5


def overlay(below: dict, above: dict) -> dict:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        nested = isinstance(value, dict) and isinstance(old, dict)
        both[key] = overlay(old, value) if nested else value
    return both


def drawn(root) -> list[tuple[str, str]]:
    """Every figure that only reads tables, in the first and the last run that has them committed.

    And in that of one network, whose figures have one panel to a row.
    """
    found: dict[str, list[str]] = {}
    for run in RUNS:
        tables = root / "results/reference" / run / "tables"
        for study in STUDIES:
            for name, figure in study.figures.items():
                here = figure.draw and figure.reads and figure.per == "run"
                if here and all((tables / f"{table}.csv").is_file() for table in figure.reads):
                    found.setdefault(name, []).append(run)
    chosen = ((name, {runs[0], runs[-1], *({"mnist"} & {*runs})}) for name, runs in found.items())
    return [(run, name) for name, runs in chosen for run in sorted(runs)]


def draw(root, run: str, name: str) -> Figure:
    settings = yaml.safe_load((root / "config/config.yaml").read_text())
    if run != "default":
        settings = overlay(settings, yaml.safe_load((root / f"config/{run}.yaml").read_text()))
    plan = Plan(parse_config(settings), root / "results" / run)
    study = next(study for study in STUDIES if name in study.figures)
    figure = study.figures[name]
    folder = root / "results/reference" / run / "tables"
    tables = [read_table(folder / f"{t}.csv", study.tables[t]) for t in figure.reads]
    with named(plan.config.shown_as):
        made = resolve(figure.draw)(*tables, **figure.settings(plan, None))
    FigureCanvasAgg(made).draw()
    return made


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


def contrast(colour) -> float:
    """With white, on which all text of these figures stands that is not black."""
    return 1.05 / (luminance(colour) + 0.05)


def pytest_generate_tests(metafunc) -> None:
    root = metafunc.config.rootpath
    metafunc.parametrize(("run", "name"), drawn(root))


def test_text_can_be_read(root, run: str, name: str) -> None:
    figure = draw(root, run, name)
    assert figure.get_figwidth() <= WIDTH + 1e-9
    page = Bbox.from_bounds(0, 0, *figure.canvas.get_width_height())
    texts = texts_of(figure)
    assert texts
    for text, box in texts:
        assert text.get_fontsize() >= SMALL, text
        assert contrast(text.get_color()) >= LEAST_CONTRAST, text
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, f"cut off: {text}"
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, f"cut off: {text}"
    for (one, box), (other, beside) in combinations(texts, 2):
        if one.get_rotation() % 90 or other.get_rotation() % 90:
            # The box of a slanted text is mostly empty.
            continue
        width = min(box.x1, beside.x1) - max(box.x0, beside.x0)
        height = min(box.y1, beside.y1) - max(box.y0, beside.y0)
        assert not (width > 1 and height > 2), f"{one} lies on {other}"
