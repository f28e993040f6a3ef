"""Selected features to controls.csv."""

from vebi.config.controls import ControlsConfig
from vebi.data.dataset import open_dataset
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.io.files import write_text
from vebi.io.tables import read_rows
from vebi.run.job import job
from vebi.studies.controls.measure import run_study
from vebi.studies.job_inputs import load_network
from vebi.studies.selection import STUDY

with job(snakemake) as task:
    features = zip(task.params.scopes, task.input.features, strict=True)
    table = run_study(
        load_network(task),
        open_dataset(task.input.dataset),
        open_descriptors(task.input.descriptors),
        {scope: read_rows(path, STUDY.tables["selected_features"]) for scope, path in features},
        task.settings(ControlsConfig),
        mu=task.params.mu,
        key=task.seed_key,
        device=task.device,
    )
    write_text(task.output[0], table.to_csv(index=False, lineterminator="\n"))
