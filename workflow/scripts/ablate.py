"""Selected features to ablation.csv."""

import pandas as pd

from vebi.ablation.study import run_study
from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.job import job
from vebi.models.store import load_model

with job(snakemake):
    params = snakemake.params
    device = choose_device(params.device)
    model, _ = load_model(snakemake.input.model, device)
    selections = zip(params.scopes, snakemake.input.features, strict=True)
    table = run_study(
        model,
        open_dataset(snakemake.input.dataset),
        {scope: pd.read_csv(path, dtype={"layer": str}) for scope, path in selections},
        params.mu,
        params.settings["repeats"],
        [params.root_seed, int(snakemake.wildcards.seed)],
        params.settings["batch_size"],
        device,
    )
    write_text(snakemake.output[0], table.to_csv(index=False, lineterminator="\n"))
