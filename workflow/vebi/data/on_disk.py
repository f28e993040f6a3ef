"""What a configuration finds on this machine. Looks at names of files only, for the planning of a run."""

from pathlib import Path

from vebi.config.datasets import ImageFolderConfig
from vebi.config.whole import Config
from vebi.data.roots import candidate_roots, is_file, is_folder
from vebi.io.errors import VebiError


def leave_out_absent(config: Config) -> tuple[Config, list[str]]:
    """The configuration without what is on image folders that are not here and may be left out.

    Returns it with one line for each experiment and each network of `mcgill` left out, and for each part
    of the configuration that nothing is measured by, to be shown to the user. Raises VebiError if nothing
    is left to run.
    """
    absent = {
        name: ", ".join(map(str, candidate_roots(data.path)))
        for name, data in config.datasets.items()
        if isinstance(data, ImageFolderConfig)
        and data.if_missing == "leave_out"
        and not any(is_folder(place) for place in candidate_roots(data.path))
    }
    networks = config.mcgill.networks if config.mcgill else []
    kept = [e for e in config.experiments if e.dataset not in absent]
    kept_networks = [n for n in networks if n.dataset not in absent]
    lines = [
        f"left out: {one.model} on {one.dataset}{of}, whose images are not here "
        f"(looked at: {absent[one.dataset]})"
        for some, of in ((config.experiments, ""), (networks, " (mcgill.networks)"))
        for one in some
        if one.dataset in absent
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
    if data.class_names is not None:
        inside = root / data.class_names
        files = [*files, inside if is_file(inside) else Path(data.class_names)]
    return [path for path in files if is_file(path)]
