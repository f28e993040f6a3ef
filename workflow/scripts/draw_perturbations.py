"""An image of a data set to a contact sheet of its perturbed copies."""

from vebi.data.dataset import TEST, open_dataset
from vebi.figures.style import save
from vebi.perturbation.perturbations import some_copies
from vebi.run.job import job
from vebi.studies.perturbation.figures import draw_contact_sheet

with job(snakemake):
    dataset, settings = open_dataset(snakemake.input[0]), snakemake.params.settings
    index = dataset.indices(TEST)[:1]
    image = dataset.read("images", index)[0]
    copies = {
        one["name"]: (
            one["strength"],
            *some_copies(
                image,
                one["name"],
                settings["copies"],
                one["strength"],
                (snakemake.params.root_seed, int(index[0])),
            ),
        )
        for one in settings["perturbations"]
    }
    save(draw_contact_sheet(image, copies), snakemake.output[0])
