"""One network in every variant of the method, to robustness.h5."""

from itertools import product

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.robustness.measure import run_study
from vebi.studies.robustness.robustness_file import Setting, write_findings

with job(snakemake):
    params = snakemake.params
    settings = params.settings
    device = choose_device(params.device)
    model, _ = load_model(snakemake.input.model, device)
    findings = run_study(
        model,
        open_dataset(snakemake.input.dataset),
        snakemake.input.descriptors,
        [
            Setting(*values)
            for values in product(settings["descriptors"], settings["nonnegative"], settings["mu"])
        ],
        settings["repeats"],
        [params.root_seed, int(snakemake.wildcards.seed)],
        params.labels,
        params.heatmaps["top"],
        params.thresholds,
        params.heatmaps["batch_size"],
        params.ablation_batch,
        device,
    )
    write_findings(snakemake.output[0], findings)
