"""The command line `vebi`. A command computes nothing itself: it calls one function of the package."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from vebi.catalogue.methods import METHODS, OURS
from vebi.io.errors import VebiError
from vebi.io.optional import install_hint
from vebi.version import __version__

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    no_args_is_help=True,
    help="Visual explanation by interpretation: select, explain, measure, compare.",
    pretty_exceptions_enable=False,
)


JsonPath = Annotated[
    Path | None,
    typer.Option("--json", help="JSON in place of the table: to this file, or here (no FILE)."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vebi {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Options of `vebi` itself."""


class Scope(StrEnum):
    """Which features may be selected."""

    all = "all"
    conv = "conv"


class Labels(StrEnum):
    """What a class is to be explained from."""

    annotations = "annotations"
    predictions = "predictions"


class Solver(StrEnum):
    """How Eq. 1 is solved."""

    path = "path"
    spgl1 = "spgl1"


class Format(StrEnum):
    """How a published flower set is stored."""

    hdf5 = "hdf5"
    png = "png"
    coco = "coco"


@app.command()
def select(
    descriptors: Annotated[Path, typer.Argument(help="HDF5 with X (N, m) and labels (N).")],
    mu: Annotated[list[float], typer.Option(help="Bounds of ||w||_1 in Eq. 1: --mu 1,10,100.")],
    out: Annotated[Path, typer.Option(help="Folder to write path.h5 and the two tables to.")],
    scope: Annotated[Scope, typer.Option(help="conv: features of convolutions only.")] = Scope.all,
    labels: Annotated[
        Labels, typer.Option(help="What to explain: the images' labels, or the predictions.")
    ] = Labels.annotations,
    nonnegative: Annotated[bool, typer.Option(help="Only weights >= 0.")] = False,
    solver: Annotated[
        Solver, typer.Option(help="The exact path, or spgl1 at each value of --mu.")
    ] = Solver.path,
    processes: Annotated[int, typer.Option(min=1, help="Cores; the numbers stay the same.")] = 1,
    json: JsonPath = None,
) -> None:
    """Select features with the mu-Lasso from any descriptor file."""
    from vebi.run.checksums import check_files
    from vebi.selection.select import Problem
    from vebi.selection.select import select as run
    from vebi.selection.tables import selection_table

    check_files(descriptors)
    solution = run(
        descriptors,
        mu,
        out,
        Problem(
            scope=scope.value,
            labels=labels.value,
            nonnegative=nonnegative,
            solver=solver.value,
        ),
        processes=processes,
    )
    _show(selection_table(solution), json)
    Console(stderr=True).print(f"path.h5, selection.csv and selected_features.csv are in {out}")


@app.command()
def iou(
    heatmaps: Annotated[Path, typer.Argument(help="HDF5 with heatmaps (N, H, W) in [0, 1].")],
    masks: Annotated[Path, typer.Argument(help="HDF5 with masks (M, H, W).")],
    thresholds: Annotated[
        int,
        typer.Option(min=2, max=100_001, help="Their number; they are equally spaced from 0 to 1."),
    ] = 101,
    out: Annotated[
        Path | None, typer.Option(help="Folder for iou_curve.csv and iou_auc.csv.")
    ] = None,
    json: JsonPath = None,
) -> None:
    """Measure how well heatmaps cover masks: the IoU curve and the area under it."""
    from vebi.io.files import write_text
    from vebi.run.checksums import check_files
    from vebi.studies.iou.compare_files import compare_files

    check_files(heatmaps, masks)
    curve, areas = compare_files(heatmaps, masks, thresholds)
    _show(areas, json)
    if out is not None:
        for name, table in (("iou_curve", curve), ("iou_auc", areas)):
            text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
            write_text(out / f"{name}.csv", text)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="A results folder, or an archive of one.")],
    b: Annotated[Path, typer.Argument(help="The other one.")],
    tolerances: Annotated[
        Path | None, typer.Option(help="Instead of config/tolerances.tsv.")
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="A file that only one side has is a difference.")
    ] = False,
    json: Annotated[
        Path | None,
        typer.Option(help="Write the comparison as JSON to this file, or here (no FILE)."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the figures side by side.")
    ] = None,
) -> None:
    """Compare two results folders. Exit code 0: alike, 1: different, 2: could not compare."""
    from vebi.diff.folders import run_diff
    from vebi.generated import known_tables

    known = known_tables()
    code = run_diff(a, b, tolerances, strict=strict, json_path=json, html_path=html, known=known)
    raise typer.Exit(code)


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as results/default.")],
    remove_broken: Annotated[
        bool, typer.Option("--remove-broken", help="Delete what is broken, to be made again.")
    ] = False,
    json: JsonPath = None,
) -> None:
    """Check every result file of a run against the checksums in its manifest.

    A run that is not finished is checked by the checksums that its jobs wrote.
    """
    from vebi.run.manifest import run_verify

    raise typer.Exit(run_verify(run, remove_broken, json))


@app.command()
def crate(
    run: Annotated[Path, typer.Argument(help="A finished run's folder, such as results/default.")],
    out: Annotated[Path, typer.Argument(help="A new folder, or a file that ends in .zip.")],
    published: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day to give; default: when the run ended."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All files, not tables and figures alone.")
    ] = False,
) -> None:
    """Export a run as a Workflow Run RO-Crate: results, workflow and provenance for an archive."""
    from vebi.run.crate import write_crate

    day = published.date() if published is not None else None
    for remark in write_crate(run, out, published=day, everything=everything):
        Console(stderr=True, highlight=False).print(remark, style="yellow")
    typer.echo(out)


@app.command()
def schema() -> None:
    """Print the JSON Schema of configuration files, which editors complete and check keys with."""
    from vebi.config.schema import schema_text

    sys.stdout.write(schema_text())


@app.command()
def claims(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Runs' folders, as results/default or results/reference/default."),
    ],
    markdown: Annotated[bool, typer.Option(help="As Markdown, for a README.")] = False,
    json: JsonPath = None,
) -> None:
    """What the three works claim, what was measured, and what it says of each claim."""
    from vebi.claims.print_claims import run_claims

    run_claims(runs, markdown, json)


@app.command()
def flowers(
    flower_set: Annotated[str, typer.Option("--set", help="single-6c, double-12c, shape-6c, ...")],
    images: Annotated[int, typer.Option(help="How many: a multiple of the number of classes.")],
    out: Annotated[Path, typer.Option(help="Root folder; the set is in OUT/SET.")],
    form: Annotated[Format, typer.Option("--format", help="See the docs.")] = Format.hdf5,
    seed: Annotated[int, typer.Option(help="Other scenes from the same rules.")] = 0,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 112,
    samples: Annotated[int, typer.Option(help="Samples per pixel.")] = 6,
    views_per_base: Annotated[int, typer.Option(help="Images of a class on one base scene.")] = 5,
    folds: Annotated[
        int, typer.Option(help="One of this number of base scenes is for testing.")
    ] = 5,
    fold: Annotated[int, typer.Option(help="Which of them.")] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Renderers at once; default: one per core.")
    ] = None,
) -> None:
    """Render a flower set with exact masks of every part, for use without the pipeline.

    Read it with `vebi.data.Flowers(OUT, set=SET)`, which needs no Blender.
    """
    from vebi.data.an8flower.publish import FlowerRequest, publish, usable_processes

    request = FlowerRequest(
        flower_set, images, seed, size, samples, views_per_base, folds=folds, fold=fold
    )
    typer.echo(publish(request, out, form.value, processes or usable_processes()))


@app.command()
def explain(
    images: Annotated[list[Path], typer.Argument(help="Images in any common format.")],
    run: Annotated[
        Path | None, typer.Option(help="A run's folder, such as results/default.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="With --run: data set that the network was trained on.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="With --run: the network's name in the configuration.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="With --run; default: its first.")] = None,
    factory: Annotated[
        str | None,
        typer.Option(help="Your own network: module:function or file.py:function that returns it."),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Or one by name: torchvision:resnet18, vgg_f, ...")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Its weights: a state dict, a .mat of MatConvNet, a model.pt; or by name, as "
            "torchvision's IMAGENET1K_V1."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Images to select features on: a folder per class, or a dataset.h5."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=8,
            max=2048,
            help="Pixels per side that images become; default: what the network takes.",
        ),
    ] = None,
    grey: Annotated[
        bool | None,
        typer.Option("--grey/--colour", help="Default: what the network's first layer takes."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Folders of --data in the order of the network's outputs: red,green,blue. Not needed "
            "where they are named as the outputs are, as ImageNet's wnids or names. Without --data the "
            "outputs' names."
        ),
    ] = None,
    mu: Annotated[
        float | None, typer.Option(help="Default: the run's heatmap_mu; with --data 10.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=64, help="Features per image.")] = 3,
    method: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(METHODS)}. Those that select no features need no --data.",
        ),
    ] = OURS.name,
    out: Annotated[Path, typer.Option(help="Folder for explanation.png and .json.")] = Path(
        "explanation"
    ),
    html: Annotated[
        bool, typer.Option("--html", help="Also explanation.html, with the maps over the images.")
    ] = False,
) -> None:
    """Explain a network's prediction for any image: a panel as Fig. 6, and the numbers.

    The network is one of a run (--run, --dataset, --model), or your own (--factory or
    --architecture, --weights), for most methods with images of its classes to select features on
    (--data).
    """
    # Next to warnings, whose code is run; other packages' progress is of no interest.
    logging.basicConfig(format="%(message)s")
    logging.getLogger("vebi").setLevel(logging.INFO)
    from vebi.compute.memory import keep_freed_memory
    from vebi.explanation.image_files import explain_files
    from vebi.explanation.network_source import NetworkSource

    source = NetworkSource(
        run=run,
        dataset=dataset,
        model=model,
        seed=seed,
        factory=factory,
        architecture=architecture,
        weights=weights,
        data=data,
        classes=classes.split(",") if classes else None,
        size=size,
        grey=grey,
    )
    keep_freed_memory()
    written = explain_files(images, source, out, method=method, mu=mu, top=top, html=html)
    typer.echo("\n".join(str(path) for path in written))


class Negative(StrEnum):
    """What becomes of a method's negative values."""

    positive = "positive"
    absolute = "absolute"
    refuse = "refuse"


@app.command()
def benchmark(
    method: Annotated[
        list[str],
        typer.Option(help="my_method.py:explain, captum:Saliency, ...; 'NAME: FUNCTION' names it."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for benchmark.csv and benchmark.html.")],
    dataset: Annotated[
        str, typer.Option(help="A data set of the benchmark, or of --run.")
    ] = "an8flower-double-12c",
    model: Annotated[
        str | None,
        typer.Option(
            help="One of its networks, default: all; or yours: module:function or file.py:function "
            "returns it."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of your network: a file with its state dict.")
    ] = None,
    negative: Annotated[
        Negative, typer.Option(help="Negative values: dropped, their size counts, an error.")
    ] = Negative.positive,
    run: Annotated[
        Path | None,
        typer.Option(
            help="A finished run of config/interventions.yaml, for its networks and scenes instead of "
            "the published ones."
        ),
    ] = None,
    factory: Annotated[
        list[str] | None, typer.Option(help="With --run: code that its networks are made with.")
    ] = None,
) -> None:
    """Score explanation methods alongside known ones: by masks, and by true effects of interventions.

    Networks, scenes and the known methods' scores come with the package. Measures, intervals over
    scenes, negative and positive controls: docs/benchmark.md.
    """
    from vebi.benchmark.compare import benchmark as compare
    from vebi.benchmark.compare import methods_of
    from vebi.benchmark.page import about, narrow_table, page
    from vebi.catalogue.measures import names_of
    from vebi.io.files import write_text

    found = compare(
        methods_of(method, negative.value),
        dataset=dataset,
        model=model,
        weights=weights,
        run_folder=run,
        factories=factory or (),
    )
    console = Console(highlight=False)
    for name, table in found.table.groupby("model", sort=False):
        console.print(f"\n[bold]{name}[/bold]: {about(table)}")
        for groups in (("localisation",), ("faithfulness", "artefact")):
            _show(narrow_table(table, names_of(*groups)))
        for _, one in table[table["kind"] == "yours"].iterrows():
            console.print(f"{one['method']}: {1000 * one['seconds_per_image']:.1f} ms per image")
    text = found.table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_text(out / "benchmark.csv", text)
    write_text(out / "benchmark.html", page(found, dataset))
    Console(stderr=True).print(f"benchmark.csv and benchmark.html are in {out}")


def spread(arguments: list[str], option: str) -> list[str]:
    """`--mu 1,10,100` and `--mu 1 10 100` as `--mu 1 --mu 10 --mu 100`, which the parser knows."""
    result: list[str] = []
    in_numbers = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == option and equals and _numbers(value):
            result += [part for number in _numbers(value) for part in (option, number)]
            in_numbers = True
        elif in_numbers and (numbers := _numbers(argument)):
            for number in numbers:
                result += [number] if result[-1] == option else [option, number]
        else:
            in_numbers = argument == option
            result.append(argument)
    return result


def here(arguments: list[str], option: str) -> list[str]:
    """`--json` that no file follows as `--json -`, which is standard output."""
    result: list[str] = []
    for place, argument in enumerate(arguments):
        result.append(argument)
        following = arguments[place + 1] if place + 1 < len(arguments) else "--"
        is_file = following == "-" or not (following.startswith("-") or Path(following).is_dir())
        if argument == option and not is_file:
            result.append("-")
    return result


def _numbers(text: str) -> list[str]:
    """The numbers in `1` or `1,10,100`; none if it is anything else."""
    parts = text.split(",")
    return parts if all(map(_is_number, parts)) else []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _show(frame: pd.DataFrame, json: Path | None = None) -> None:
    """Print a table, or write it as JSON."""
    if json is not None:
        from vebi.io.json_output import records, write_json

        write_json(records(frame), json)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, values in frame.items():
        # A header of several words may take several lines, where the terminal is narrow.
        justify: Literal["left", "right"] = "right" if values.dtype.kind in "iuf" else "left"
        table.add_column(str(column).replace("_", " "), justify=justify, vertical="bottom")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(table)


def main() -> None:
    """Entry point: whatever goes wrong becomes one line and exit code 2, and no traceback."""
    try:
        app(here(spread(sys.argv[1:], "--mu"), "--json"))
    except VebiError as error:
        message = str(error)
    except BrokenPipeError:
        # Who read our output has gone; nothing can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}. Choose another place, or make room."
    except MemoryError as error:
        message = f"this needs more memory than there is ({error}). Take a smaller file or image."
    except ModuleNotFoundError as error:
        if os.environ.get("VEBI_DEBUG"):
            raise
        package = (error.name or "").partition(".")[0]
        message = f"the package {package} is not installed: {install_hint(package)}."
    except Exception as error:
        if os.environ.get("VEBI_DEBUG"):
            raise
        message = (
            f"unexpected {type(error).__name__}: {error}. This is a defect of vebi: please report it "
            "with what VEBI_DEBUG=1 in the environment shows."
        )
    # Names of files may hold bytes that are not text.
    print(f"error: {message}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
