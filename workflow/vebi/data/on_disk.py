"""What a configuration finds on this machine. Looks at names of files only, for the planning of a run."""

from pathlib import Path

from vebi.config.datasets import DatasetConfig, ImageFolderConfig, TorchvisionConfig
from vebi.config.whole import Config
from vebi.data.roots import candidate_roots, is_file, is_folder
from vebi.io.errors import VebiError


def leave_out_absent(config: Config) -> tuple[Config, list[str]]:
    """The configuration without what is on data sets that are not here and may be left out.

    Left out as well is what is on a set of torchvision's that stands in for a folder (`instead_of`),
    where the folder is here. Returns the configuration with one line for each experiment and each
    network of `mcgill` left out, and for each part of the configuration that nothing is measured by, to
    be shown to the user. Raises VebiError if nothing is left to run.
    """
    reasons = {
        name: reason
        for name, data in config.datasets.items()
        if (reason := _reason_to_leave_out(config, data))
    }
    networks = config.mcgill.networks if config.mcgill else []
    kept = [e for e in config.experiments if e.dataset not in reasons]
    kept_networks = [n for n in networks if n.dataset not in reasons]
    lines = [
        f"left out: {one.model} on {one.dataset}{of}, {reasons[one.dataset]}"
        for some, of in ((config.experiments, ""), (networks, " (mcgill.networks)"))
        for one in some
        if one.dataset in reasons
    ]
    if lines and not kept and not kept_networks:
        raise VebiError(
            "No experiment is left to run:\n"
            + "\n".join(f"  - {line}" for line in lines)
            + "\nSet VEBI_DATA to the folder that the images lie in, or `path` of the data sets."
        )
    mcgill = config.mcgill
    if mcgill is not None and lines:
        mcgill = mcgill.model_copy(update={"networks": kept_networks}) if kept_networks else None
    found = config.model_copy(update={"experiments": kept, "mcgill": mcgill})
    return found, [*lines, *found.idle()]


def _reason_to_leave_out(config: Config, data: DatasetConfig) -> str:
    if isinstance(data, ImageFolderConfig) and data.if_missing == "leave_out":
        if not _is_here(data):
            looked = ", ".join(map(str, candidate_roots(data.path)))
            return f"whose images are not here (looked at: {looked})"
    elif isinstance(data, TorchvisionConfig) and data.instead_of is not None:
        preferred = config.datasets[data.instead_of]
        if isinstance(preferred, ImageFolderConfig) and _is_here(preferred):
            return f"which stands in for {data.instead_of} where that is not here"
    return ""


def _is_here(data: ImageFolderConfig) -> bool:
    """Whether the folder is there, and in it the folders of both splits where it has such."""
    root = next((place for place in candidate_roots(data.path) if is_folder(place)), None)
    if root is None or data.layout != "split_folders":
        return root is not None
    return is_folder(root / data.train) and is_folder(root / data.test_name)


def listing_files(data: ImageFolderConfig) -> list[Path]:
    """Files that say which images and classes the data set has, as far as they are there.

    A run follows edits of these; of the images themselves only the number of bytes is checked, when
    they are read.
    """
    root = next((place for place in candidate_roots(data.path) if is_folder(place)), None)
    if root is None:
        return []
    truth = root / data.ground_truth
    devkit = truth / "data" if is_folder(truth / "data") else truth
    by_layout = {
        "csv": [root / data.table],
        "imagenet": [
            truth,
            devkit / "meta.mat",
            devkit / "ILSVRC2012_validation_ground_truth.txt",
        ],
    }
    files = by_layout.get(data.layout, [])
    for name in filter(None, (data.class_names, data.all_classes)):
        inside = root / name
        files = [*files, inside if is_file(inside) else Path(name)]
    return [path for path in files if is_file(path)]
