"""Selected features to study.csv."""

import pandas as pd

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.mcgill.measure import run_study
from vebi.studies.mcgill.report_networks import WORKS

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
