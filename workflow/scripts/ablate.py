"""Selected features to ablation.csv."""

import pandas as pd

from vebi.compute.devices import choose_device
from vebi.data.dataset import TEST, open_dataset
from vebi.io.files import write_text
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.ablation.hits_file import Hits, write_hits
from vebi.studies.ablation.measure import run_study

with job(snakemake):
    params = snakemake.params
    device = choose_device(params.device)
    model, _ = load_model(snakemake.input.model, device)
    dataset = open_dataset(snakemake.input.dataset)
    selections = zip(params.scopes, snakemake.input.features, strict=True)
    table, hits = run_study(
        model,
        dataset,
        {scope: pd.read_csv(path, dtype={"layer": str}) for scope, path in selections},
        params.mu,
        params.settings["repeats"],
        [params.root_seed, int(snakemake.wildcards.seed)],
        params.settings["batch_size"],
        device,
    )
    write_text(snakemake.output.table, table.to_csv(index=False, lineterminator="\n"))
    write_hits(snakemake.output.hits, Hits(hits, dataset.labels[dataset.indices(TEST)]))
