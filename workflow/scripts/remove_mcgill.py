"""Selected features to study.csv."""

import pandas as pd

from vebi.config.mcgill import RemovalConfig
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.io.tables import read_rows
from vebi.run.job import job
from vebi.studies.job_inputs import load_network
from vebi.studies.mcgill.measure import run_study
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.selection import STUDY

with job(snakemake) as task:
    features = [read_rows(path, STUDY.tables["selected_features"]) for path in task.input.features]
    table = run_study(
        load_network(task),
        open_dataset(task.input.dataset),
        pd.concat(features, ignore_index=True),
        REPORTED[task.params.kind],
        task.settings(RemovalConfig),
        key=task.seed_key,
        device=task.device,
    )
    write_text(task.output[0], table.to_csv(index=False, lineterminator="\n"))
