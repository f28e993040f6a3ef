"""The networks of some epochs to the similarity of the selections and the accuracy of their patches."""

from pathlib import Path

from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.perturbation.resample import Sampling
from vebi.run.job import job
from vebi.studies.perturbation.epochs import EpochSettings, follow_epochs

with job(snakemake) as task:
    settings = task.params.settings
    study = settings["epoch_study"]
    folder = Path(task.input.checkpoints)
    patches, similarity = follow_epochs(
        {epoch: folder / f"{epoch}.pt" for epoch in task.params.epochs},
        open_dataset(task.input.dataset),
        Sampling.first_of(settings),
        EpochSettings(
            train_images=study["train_images"],
            test_images=study["test_images"],
            k=settings["k"][0],
            classifier_epochs=study["classifier_epochs"],
        ),
        seed=task.params.root_seed,
        key=task.seed_key,
        device=task.device,
        factories=task.factories,
    )
    write_text(task.output.patches, patches.to_csv(index=False))
    write_text(task.output.similarity, similarity.to_csv(index=False))
