"""One network in every variant of the method, to robustness.h5."""

from itertools import product

from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.job import job
from vebi.models.store import load_model
from vebi.robustness.store import Setting, write_findings
from vebi.robustness.study import run_study

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
