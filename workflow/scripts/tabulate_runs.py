"""The tables of single runs to one table each, and what is compared over runs."""

from vebi.data.dataset import TEST, open_dataset
from vebi.data.scenes import read_scenes
from vebi.io.tables import stack_runs, write_table
from vebi.run.job import job
from vebi.selection.tables import selection_over_seeds
from vebi.studies.ablation.effect import compare
from vebi.studies.ablation.hits_file import read_hits
from vebi.studies.ablation.intervals import add_intervals
from vebi.studies.networks.tables import add_test_interval

with job(snakemake):
    params = snakemake.params
    tables = {
        name: stack_runs(snakemake.input[name], params.runs, last_row_only=name == "training")
        for name in ("training", "selection", "selected_features", "ablation")
    }
    datasets = {
        name: open_dataset(path)
        for name, path in zip(params.datasets, snakemake.input.datasets, strict=True)
    }
    scenes = {name: read_scenes(data)[data.indices(TEST)] for name, data in datasets.items()}
    n_test = {name: len(scene) for name, scene in scenes.items()}
    tables["training"] = add_test_interval(tables["training"], n_test)
    tables["selection_seeds"] = selection_over_seeds(tables["selection"])
    hits = {
        tuple(run.values()): read_hits(path)
        for run, path in zip(params.runs, snakemake.input.hits, strict=True)
    }
    draws = (hits, scenes, params.bootstrap, params.root_seed)
    tables["ablation_effect"] = compare(tables["ablation"], *draws)
    tables["ablation"] = add_intervals(tables["ablation"], *draws)
    for name, table in tables.items():
        write_table(snakemake.output[name], table, name)
