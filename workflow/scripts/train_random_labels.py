"""dataset.h5 with shuffled labels to random_labels.pt and its history."""

from vebi.compute.determinism import derived_seed
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
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
    labels_key = draw_key("sanity: shuffled labels", *task.seed_key)
    noisy = with_random_labels(dataset, labels_key, task.params.images)
    # From other first weights than the trained network, whose filters it would else partly share.
    start = derived_seed(*draw_key("sanity: training on shuffled labels", *task.seed_key))
    with checkpoint_of(task, task.output.model) as checkpoint:
        net, spec, history = train(
            noisy, network, settings, start, task.device, checkpoint=checkpoint
        )
        write_text(task.output.history, history.to_csv(index=False, float_format="%.6f"))
        save_model(task.output.model, net, spec, list(dataset.classes))
