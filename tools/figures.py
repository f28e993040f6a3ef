"""The committed figures that only read tables, drawn again from the committed tables.

    python tools/figures.py                 # or: make pages
    python tools/figures.py --overview      # README's picture, from results/default: make reference

Those that show a run's files (images, maps, networks) come with the run: `make reference`.
tests/unit/figures/test_legible.py fails where a committed one is not what the code draws.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure
from pages import configurations

from vebi.catalogue.record import resolve
from vebi.config import parse_config
from vebi.figures.names import named
from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.plan import Plan
from vebi.studies.explanations.figures import draw_run_examples
from vebi.studies.registry import STUDIES

OVERVIEW = "docs/assets/overview.png"
OVERVIEW_METHODS = ("upsampled_activation", "deconv_gb", "vebi", "grad_cam", "lrp")


@cache
def plans(root: Path) -> dict[str, Plan]:
    """Every configuration of the repository by the name of its run."""
    return {
        run: Plan(parse_config(settings), root / "results" / run)
        for run, settings in configurations(root).items()
    }


def of_tables(root: Path) -> Iterator[tuple[str, str]]:
    """Run and name of every figure that only reads tables which are committed."""
    for run, study in product(plans(root), STUDIES):
        tables = root / "results/reference" / run / "tables"
        for name, figure in study.figures.items():
            is_whole = figure.draw and figure.reads and figure.per == "run"
            if is_whole and all((tables / f"{table}.csv").is_file() for table in figure.reads):
                yield run, name


def committed_path(root: Path, run: str, name: str) -> Path:
    """Where a figure is, if it is committed."""
    return root / "results/reference" / run / "figures" / f"{name}.png"


def draw(root: Path, run: str, name: str) -> Figure:
    """A figure of a run, from its committed tables."""
    plan = plans(root)[run]
    study = next(study for study in STUDIES if name in study.figures)
    figure = study.figures[name]
    folder = root / "results/reference" / run / "tables"
    tables = [read_table(folder / f"{t}.csv", study.tables[t]) for t in figure.reads]
    with named(plan.config.shown_as):
        return resolve(figure.draw)(*tables, **figure.settings(plan, None))


def draw_overview(results: Path) -> Figure:
    """Two images of a finished default run with the maps of some methods."""
    network = "an8flower-double-12c/an8flower-strided/seed0"
    return draw_run_examples(
        results / "data" / Path(network).parts[0] / "dataset.h5",
        [results / "heatmaps" / network / f"{method}.h5" for method in OVERVIEW_METHODS],
        results / "iou" / network / "iou.h5",
        images=2,
    )


def save_png(figure: Figure, path: Path) -> None:
    """What `save` writes, without its vector twin."""
    with tempfile.TemporaryDirectory() as folder:
        save(figure, Path(folder) / path.name)
        shutil.move(Path(folder) / path.name, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--overview", action="store_true", help="draw README's picture instead")
    args = parser.parse_args()
    root = args.root.resolve()
    if args.overview:
        with named(plans(root)["default"].config.shown_as):
            save_png(draw_overview(root / "results/default"), root / OVERVIEW)
        return
    for run, name in of_tables(root):
        path = committed_path(root, run, name)
        if not path.is_file():
            continue
        before = path.read_bytes()
        save_png(draw(root, run, name), path)
        if path.read_bytes() != before:
            print(f"drawn again: {path.relative_to(root)}", flush=True)


if __name__ == "__main__":
    main()
