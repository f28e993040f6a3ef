"""Selected features to ablation.csv."""

import pandas as pd

from vebi.ablation.store import Hits, write_hits
from vebi.ablation.study import run_study
from vebi.data.store import TEST, open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.job import job
from vebi.models.store import load_model

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
