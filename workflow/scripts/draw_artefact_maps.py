"""Features of some scored images, drawn by every method, as a figure."""

from vebi.data.dataset import open_dataset
from vebi.figures.style import save
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.artefacts.artefacts_file import read_artefacts
from vebi.studies.artefacts.examples import draw_features
from vebi.studies.artefacts.figures import draw_artefact_maps

with job(snakemake) as task:
    model, _ = load_model(task.input.model, factories=task.factories)
    features = draw_features(
        model,
        open_dataset(task.input.dataset),
        read_artefacts(task.input.artefacts),
        task.params.examples,
    )
    save(draw_artefact_maps(list(features)), task.output[0])
