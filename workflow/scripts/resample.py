"""A network and some test images to what its neurons do under perturbation."""

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.models.model_file import load_model
from vebi.perturbation.resample import Sampling
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.studies.perturbation.measure import Selected, StudySettings, run_study
from vebi.studies.perturbation.metrics_file import write_metrics

with job(snakemake):
    params, settings = snakemake.params, snakemake.params.settings
    device = choose_device(params.device)
    model, _ = load_model(snakemake.input.model, device)
    solution = read_solution(snakemake.input.path)
    copies, batch_size = settings["copies"], settings["batch_size"]
    samplings = [
        Sampling(one["name"], one["strength"], copies, batch_size)
        for one in settings["perturbations"]
    ]
    found = run_study(
        model,
        open_dataset(snakemake.input.dataset),
        Selected(solution.weights_at(params.mu), solution.index.layer, solution.index.channel),
        samplings,
        StudySettings(
            images=settings["images"],
            reference=settings["reference"],
            ks=tuple(settings["k"]),
            repeats=settings["repeats"],
            bootstrap=params.bootstrap,
        ),
        params.root_seed,
        device,
    )
    for name in ("resampling", "transfer", "overlap", "claims"):
        write_text(snakemake.output[name], getattr(found, name).to_csv(index=False))
    write_metrics(snakemake.output.metrics, found.measured, samplings)
