"""A network and some test images to what its neurons do under perturbation."""

from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.perturbation.resample import Sampling
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.studies.job_inputs import load_network
from vebi.studies.perturbation.chosen_channels import StudySettings
from vebi.studies.perturbation.measure import Selected, run_study
from vebi.studies.perturbation.metrics_file import write_metrics

with job(snakemake) as task:
    settings = task.params.settings
    solution = read_solution(task.input.path)
    copies, batch_size = settings["copies"], settings["batch_size"]
    samplings = [
        Sampling(one["name"], one["strength"], copies, batch_size)
        for one in settings["perturbations"]
    ]
    found = run_study(
        load_network(task),
        open_dataset(task.input.dataset),
        Selected(solution.weights_at(task.params.mu), solution.index.layer, solution.index.channel),
        samplings,
        StudySettings(
            images=settings["images"],
            reference=settings["reference"],
            ks=tuple(settings["k"]),
            repeats=settings["repeats"],
        ),
        seed=task.params.root_seed,
        key=task.seed_key,
        device=task.device,
    )
    for name in ("resampling", "transfer", "overlap", "claims"):
        write_text(task.output[name], getattr(found, name).to_csv(index=False))
    write_metrics(task.output.metrics, found.measured, samplings)
