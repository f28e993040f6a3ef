"""Some test images, their predictions and the maps of their top features, as a figure."""

from vebi.data.dataset import TEST, open_dataset
from vebi.descriptors import open_descriptors
from vebi.explanation.explanation import explain_images
from vebi.explanation.panels import draw_panels
from vebi.figures.images import pick_examples
from vebi.figures.style import save
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.selection.path_file import read_solution

with job(snakemake) as task:
    params = task.params
    dataset = open_dataset(task.input.dataset)
    model, classes = load_model(task.input.model, factories=task.factories)
    chosen = pick_examples(dataset.labels, dataset.split, TEST, params.images)
    explanations = explain_images(
        model,
        dataset.read("images", chosen),
        open_descriptors(task.input.descriptors),
        read_solution(task.input.path).weights_at(params.mu),
        classes,
        params.top,
    )
    save(draw_panels(explanations), task.output[0])
