"""dataset.h5 to two control networks."""

from dataclasses import replace

from vebi.data.dataset import open_dataset
from vebi.models.model_file import save_model
from vebi.models.train import train
from vebi.run.checkpoint import checkpoint_of
from vebi.run.job import job
from vebi.statistics import draw_key
from vebi.studies.job_inputs import training_of
from vebi.studies.sanity.randomise import with_random_labels

with job(snakemake) as task:
    network, settings = training_of(task)
    dataset = open_dataset(task.input.dataset)
    epochs = task.params.shuffled_epochs or settings.epochs
    labels_key = draw_key("mcgill: shuffled labels", *task.seed_key)
    for name, data, length in (
        ("untrained", dataset, 0),
        ("shuffled_labels", with_random_labels(dataset, labels_key), epochs),
    ):
        with checkpoint_of(task, task.output[name]) as checkpoint:
            net, spec, history = train(
                data,
                network,
                replace(settings, epochs=length),
                task.seed,
                task.device,
                checkpoint=checkpoint,
            )
            print(name, history.to_string())
            save_model(task.output[name], net, spec, list(dataset.classes))
