"""Selected features to ablation.csv."""

from vebi.config.stages import AblationConfig
from vebi.data.dataset import TEST, open_dataset
from vebi.io.files import write_text
from vebi.io.tables import read_rows
from vebi.run.job import job
from vebi.studies.ablation.hits_file import Hits, write_hits
from vebi.studies.ablation.measure import run_study
from vebi.studies.job_inputs import load_network
from vebi.studies.selection import STUDY

with job(snakemake) as task:
    dataset = open_dataset(task.input.dataset)
    features = zip(task.params.scopes, task.input.features, strict=True)
    table, hits = run_study(
        load_network(task),
        dataset,
        {scope: read_rows(path, STUDY.tables["selected_features"]) for scope, path in features},
        task.settings(AblationConfig),
        mus=task.params.mu,
        key=task.seed_key,
        device=task.device,
    )
    write_text(task.output.table, table.to_csv(index=False, lineterminator="\n"))
    write_hits(task.output.hits, Hits(hits, dataset.labels[dataset.indices(TEST)]))
