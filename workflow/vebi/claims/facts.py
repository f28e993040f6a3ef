"""What the claims need to know of a run's configuration: which data set stands for which of the papers'.

Read by Snakemake's rules, so this module and what it imports stay light.
"""

from typing import Any, get_args

from vebi.config.datasets import PUBLISHED, DatasetConfig
from vebi.config.whole import Config
from vebi.studies.mcgill.report_networks import describe

# Folders of images are the papers' data sets if they have these names.
FOLDERS = get_args(PUBLISHED)


def role_of(name: str, dataset: DatasetConfig) -> str:
    """The paper's data set that `dataset` stands for; its kind, or `other`, if it is none of them."""
    if dataset.kind == "an8flower":
        return dataset.flower_set
    if dataset.kind == "mnist":
        whole = dataset.train_images is None and dataset.test_images is None
        return "mnist" if whole else "mnist-part"
    if dataset.kind in ("image_folder", "torchvision"):
        return dataset.stands_for or (name if name in FOLDERS else "other")
    return dataset.kind


def facts_of(config: Config) -> dict[str, Any]:
    """Plain values: data sets' roles, models' architectures, experiments and McGill networks in order."""
    networks = config.mcgill.networks if config.mcgill else []
    return {
        "roles": {name: role_of(name, data) for name, data in config.datasets.items()},
        "stand_ins": [
            name
            for name, data in config.datasets.items()
            if getattr(data, "stands_for", None) is not None
        ],
        "architectures": {name: model.network for name, model in config.models.items()},
        "experiments": [[e.dataset, e.model] for e in config.experiments],
        "mcgill": [
            {
                **describe(config, network),
                "dropout": network.kind == "keras"
                and config.models[network.model].kwargs.get("dropout", 0.5) > 0,
            }
            for network in networks
        ],
        # The setting of the main line among those of the study of robustness.
        "settings": [
            {
                "descriptor": config.selection.descriptor,
                "nonnegative": str(config.selection.nonnegative),
                "mu": float(e.heatmap_mu),
            }
            for e in config.experiments
        ],
    }
