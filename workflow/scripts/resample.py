"""A network and some test images to what its neurons do under perturbation."""

from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.input_resampling.resample import Sampling
from vebi.input_resampling.store import write_metrics
from vebi.input_resampling.study import Selected, StudySettings, run_study
from vebi.job import job
from vebi.models.store import load_model
from vebi.selection.store import read_solution

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
