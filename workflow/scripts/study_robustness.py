"""One network in every variant of the method, to robustness.h5."""

from vebi.config.robustness import RobustnessConfig
from vebi.data.dataset import open_dataset
from vebi.run.job import job
from vebi.studies.job_inputs import load_network
from vebi.studies.robustness.measure import Measures, run_study
from vebi.studies.robustness.robustness_file import write_findings

with job(snakemake) as task:
    findings = run_study(
        load_network(task),
        open_dataset(task.input.dataset),
        task.input.descriptors,
        task.settings(RobustnessConfig),
        Measures(
            labels=task.params.labels,
            top=task.params.heatmaps["top"],
            thresholds=task.params.thresholds,
            heatmap_batch=task.params.heatmaps["batch_size"],
            ablation_batch=task.params.ablation_batch,
        ),
        key=task.seed_key,
        device=task.device,
    )
    write_findings(task.output[0], findings)
