"""Neurons that matter when the input is perturbed (Lengerich et al. 2017, arXiv 1707.09641)."""

from pathlib import Path
from typing import Any

from vebi.config.stages import ExperimentConfig
from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan, Run
from vebi.studies.columns import INTERVAL, interval, with_interval
from vebi.studies.record import Figure, Study, Tabulation

# Files that the study of one network makes: tables without the run's keys.
PARTS = ("resampling", "transfer", "overlap", "claims")
EPOCH_PARTS = ("patches", "similarity")


def get_experiments(plan: Plan) -> list[ExperimentConfig]:
    """Experiments whose networks are studied under perturbation."""
    section = plan.config.resampling
    if section is None:
        return []
    return [e for e in plan.config.experiments if e.dataset in (section.datasets or [e.dataset])]


def get_runs(plan: Plan) -> list[Run]:
    """The networks that are studied: the first seeds of each experiment."""
    section = plan.config.resampling
    seeds = plan.config.seeds[: section.seeds] if section else []
    return plan.runs(get_experiments(plan), seeds)


def kept_epochs(plan: Plan, run: Run) -> list[int]:
    """Epochs after which the training of a network keeps it, for the study over the epochs.

    Those configured that it gets to, and its own last one: claims speak of the trained network.
    """
    section = plan.config.resampling
    if section is None or section.epoch_study is None or run not in get_runs(plan):
        return []
    trained = plan.config.models[run["model"]].epochs
    return sorted({*(e for e in section.epoch_study.epochs if e < trained), trained})


def _follows_epochs(plan: Plan) -> bool:
    section = plan.config.resampling
    return section is not None and section.epoch_study is not None


def _inputs(plan: Plan) -> dict[str, list[Path]]:
    parts = PARTS + (EPOCH_PARTS if _follows_epochs(plan) else ())
    runs = get_runs(plan)
    return {name: plan.files(f"perturbation/{RUN}/{name}.csv", runs) for name in parts}


def _tables(plan: Plan) -> list[str]:
    """All, but for the similarity over epochs where these are not followed."""
    return [n for n in STUDY.tables if n != "resampling_similarity" or _follows_epochs(plan)]


def _k(plan: Plan, _: ExperimentConfig | None) -> dict[str, Any]:
    return {"k": plan.config.resampling.k[0] if plan.config.resampling else 0}


def _scatter_settings(plan: Plan, experiment: ExperimentConfig | None) -> dict[str, Any]:
    assert experiment is not None
    return {**_k(plan, None), "where": [experiment.dataset, experiment.model]}


def _copies_settings(plan: Plan, _: ExperimentConfig | None) -> dict[str, Any]:
    section = plan.config.resampling
    settings = section.model_dump(include={"perturbations", "copies"}) if section else {}
    return {**settings, "seed": plan.config.seed}


STUDY = Study(
    name="perturbation",
    title="Channels that matter when the image is disturbed",
    place="Lengerich et al. 2017",
    question=paragraph("""
        Another way to choose filters: disturb the image many times and watch. Correlation takes
        channels that move with the class score, precision takes those that stay calm. Do the first
        influence the output, and do the second find what is common to a class?
    """),
    tables={
        "resampling_claims": Table(
            keys=(*RUN_KEYS, "perturbation", "claim", "reference"),
            values=("k", "measure", "difference", *INTERVAL, "n_images", "verdict", "over"),
            text_values=("measure",),
            caption=paragraph("""
                The work's claims as differences between two selections, image by image, in each
                network, with 95 % intervals over scenes and verdicts of these intervals.
            """),
            allowed=(
                Allowed("verdict", "follows", why="decided by the interval in its row"),
                Allowed("difference", "interval", atol=0.05),
                Allowed("*", "close", atol=0.1),
            ),
        ),
        "resampling": Table(
            keys=(*RUN_KEYS, "perturbation", "layer", "metric", "k", "epoch"),
            values=(
                *("score_drop_mean", "ci_low", "ci_high", "accuracy_drop", "patch_accuracy"),
                *("overlap", "overlap_null"),
                *interval("accuracy_drop"),
                *("n_removed", "n_images"),
                *interval("patch"),
                *("patch_area", "n_patch_images", "over"),
            ),
            caption=paragraph("""
                What removing the top k channels does to the class score and to accuracy, for each
                perturbation, layer and metric, with 95 % intervals over scenes.
            """),
            allowed=(
                Allowed("score_drop_mean", "interval", atol=0.05),
                Allowed("*", "close", atol=0.1),
                Allowed("n_removed", "close", atol=1, rtol=0.1),
            ),
        ),
        "resampling_transfer": Table(
            keys=(*RUN_KEYS, "perturbation", "layer", "metric", "k"),
            values=(
                *with_interval("fires_same"),
                *with_interval("fires_other"),
                *with_interval("selectivity"),
                "n_images",
                "over",
            ),
            caption=paragraph("""
                On how many other images the channels chosen for one image fire: of the same class,
                and of other classes, with 95 % intervals over scenes.
            """),
            allowed=(Allowed("*", "close", atol=0.1),),
        ),
        "resampling_overlap": Table(
            keys=(*RUN_KEYS, "perturbation", "layer", "first", "second", "k"),
            values=(
                *("n_channels", "size_first", "size_second", "common", "ci_low", "ci_high"),
                *("common_null", "share_beyond_chance", "published", "dice", "jaccard", "n_images"),
                "over",
            ),
            caption=paragraph("""
                Channels that two selections share in a layer, next to what chance gives, with 95 %
                intervals over scenes.
            """),
            allowed=(
                Allowed("size_*", "close", atol=1, rtol=0.1),
                Allowed("*", "close", atol=1, rtol=0.1, why="channels in common, of k"),
            ),
        ),
        "resampling_similarity": Table(
            keys=(*RUN_KEYS, "perturbation", "layer", "k", "epoch"),
            values=("published", "dice", "jaccard", "published_null", "n_images"),
            caption=paragraph("""
                How alike the two selections are as the network learns; *published* is the authors'
                measure, half the Dice coefficient.
            """),
            allowed=(Allowed("*", "close", atol=0.1),),
        ),
    },
    figures={
        "resampling_influence": Figure(
            draw="vebi.studies.perturbation.figures:draw_influence",
            caption=paragraph("""
                Input resampling (Lengerich et al. 2017): how much the softmax of the predicted
                class falls when channels are set to zero, each image losing its own. Above, the top
                channels of every convolution together, for each way to perturb the image; below,
                one convolution alone. *Correlation* and *precision* are the work's two metrics;
                *both* takes the lowest sum of ranks; the random controls draw as many channels per
                layer from those that neither metric selects. The work says that correlation selects
                what influences the output; ``resampling_claims.csv`` has the differences, image by
                image, with the verdict.
            """),
            reads=("resampling",),
            settings=_k,
        ),
        "resampling_transfer": Figure(
            draw="vebi.studies.perturbation.figures:draw_transfer",
            caption=paragraph("""
                Of other test images, the share on which a channel fires that was chosen for one
                image: its mean response is at least half of that on its own image. Filled: images
                of the same class; open: of other classes. The work says that precision selects what
                activates on features that generalise: that would be purple filled points above the
                grey ones.
            """),
            reads=("resampling_transfer",),
            settings=_k,
        ),
        "resampling_overlap": Figure(
            draw="vebi.studies.perturbation.figures:draw_overlap",
            caption=paragraph("""
                Channels that two selections share in each layer, mean over images, and what as many
                channels drawn at random would share (hypergeometric). VEBI's selection for the
                predicted class counts with all operations from a convolution to the next.
            """),
            reads=("resampling_overlap",),
            settings=_k,
        ),
        "resampling_epochs": Figure(
            draw="vebi.studies.perturbation.figures:draw_epochs",
            caption=paragraph("""
                Above, the work's test of usefulness: images are reduced to the patches of the
                selected channels, and a small classifier is trained on them; next to it the same
                classifier on whole images, on the patches of random channels, and the network
                itself. How much of the image the patches leave is in the legend: where it is
                much, the test says little. Below, how alike the two selections are, by the authors'
                measure, which is half the Dice coefficient. Diamonds: where the authors' curves end
                on their data, which are not here.
            """),
            reads=("resampling", "resampling_similarity"),
            wanted=_follows_epochs,
        ),
        "resampling_scatter": Figure(
            draw="vebi.studies.perturbation.figures:draw_run_scatter",
            caption=paragraph("""
                Correlation against precision of every channel, layer by layer, each the mean over
                the images of the study; the selected channels are those that are often in the top
                k.
            """),
            per="experiment",
            of=lambda plan: get_experiments(plan),
            inputs=lambda plan: {"metrics": plan.first(f"perturbation/{RUN}/metrics.h5")},
            settings=_scatter_settings,
        ),
        "perturbations": Figure(
            draw="vebi.studies.perturbation.figures:draw_copies",
            caption=paragraph("""
                What the network gets to see: copies of one image by every perturbation, weak to
                strong.
            """),
            per="dataset",
            of=lambda plan: get_experiments(plan),
            inputs=lambda plan: {"dataset": plan.results / "data/{dataset}/dataset.h5"},
            settings=_copies_settings,
            memory_mb=1500,
        ),
    },
    wanted=lambda plan: bool(get_experiments(plan)),
    tabulate=Tabulation(
        function="vebi.studies.perturbation.tables:tabulate",
        inputs=_inputs,
        settings=lambda plan: {
            "runs": get_runs(plan),
            "epochs": {e.model: plan.config.models[e.model].epochs for e in get_experiments(plan)},
        },
        tables=_tables,
    ),
    jobs={"resample": "long", "follow_epochs": "network"},
)
