"""Selected features to study.csv."""

import pandas as pd

from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.job import job
from vebi.mcgill.study import run_study
from vebi.mcgill.works import WORKS
from vebi.models.store import load_model

with job(snakemake):
    params = snakemake.params
    device = choose_device(params.device)
    features = [pd.read_csv(path, dtype={"layer": str}) for path in snakemake.input.features]
    table = run_study(
        load_model(snakemake.input.model, device)[0],
        open_dataset(snakemake.input.dataset),
        pd.concat(features, ignore_index=True),
        WORKS[params.kind],
        params.settings["repeats"],
        [params.root_seed, int(snakemake.wildcards.seed)],
        params.settings["images"],
        params.settings["batch_size"],
        device,
    )
    write_text(snakemake.output[0], table.to_csv(index=False, lineterminator="\n"))
