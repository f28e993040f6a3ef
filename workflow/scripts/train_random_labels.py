"""dataset.h5 with shuffled labels to random_labels.pt and its history."""

from vebi.compute.determinism import derived_seed
from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.models.model_file import save_model
from vebi.models.train import TrainingSettings, train
from vebi.run.checkpoint import checkpoint_of
from vebi.run.job import job
from vebi.studies.sanity.randomise import with_random_labels

with job(snakemake):
    params = snakemake.params
    seed = int(snakemake.wildcards.seed)
    settings = dict(params.settings)
    network = settings.pop("network")
    dataset = open_dataset(snakemake.input.dataset)
    noisy = with_random_labels(dataset, [params.root_seed, seed], params.images)
    # From other first weights than the trained network, whose filters it would else partly share.
    start = derived_seed(params.root_seed, seed, 1)
    device = choose_device(params.device)
    with checkpoint_of(snakemake, snakemake.output.model, device) as checkpoint:
        net, spec, history = train(
            noisy, network, TrainingSettings(**settings), start, device, checkpoint=checkpoint
        )
        write_text(snakemake.output.history, history.to_csv(index=False, float_format="%.6f"))
        save_model(snakemake.output.model, net, spec, list(dataset.classes))
