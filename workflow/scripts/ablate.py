"""Selected features to ablation.csv."""

import pandas as pd

from vebi.config.stages import AblationConfig
from vebi.data.dataset import TEST, open_dataset
from vebi.io.files import write_text
from vebi.run.job import job
from vebi.studies.ablation.hits_file import Hits, write_hits
from vebi.studies.ablation.measure import run_study
from vebi.studies.job_inputs import load_network

with job(snakemake) as task:
    dataset = open_dataset(task.input.dataset)
    features = zip(task.params.scopes, task.input.features, strict=True)
    table, hits = run_study(
        load_network(task),
        dataset,
        {scope: pd.read_csv(path, dtype={"layer": str}) for scope, path in features},
        task.settings(AblationConfig),
        mus=task.params.mu,
        key=task.seed_key,
        device=task.device,
    )
    write_text(task.output.table, table.to_csv(index=False, lineterminator="\n"))
    write_hits(task.output.hits, Hits(hits, dataset.labels[dataset.indices(TEST)]))
