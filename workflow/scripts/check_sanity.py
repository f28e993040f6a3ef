"""Model, descriptors and weights to sanity.h5."""

from pathlib import Path

from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.run.job import job
from vebi.selection.select import Problem
from vebi.studies.job_inputs import load_interpreted_network, load_network
from vebi.studies.sanity.measure import measure
from vebi.studies.sanity.reselect import Reselection

with job(snakemake) as task:
    network = load_interpreted_network(task)
    settings = task.settings(RandomisationConfig)
    maps = task.settings(HeatmapConfig, "heatmaps")
    problem = Problem(scope=maps.scope, **task.params.selection)
    again = Reselection(
        task.params.mu, problem, network.descriptors.variant, settings.reselect_images
    )
    measure(
        network,
        Path(task.output[0]),
        settings,
        maps,
        key=task.seed_key,
        seed=task.params.root_seed,
        # An input that may be absent comes as a list, else as the one file.
        random_labels=load_network(task, "random_labels") if task.input.random_labels else None,
        reselection=None if settings.reselect_images == 0 else again,
    )
