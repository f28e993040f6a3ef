# What the rules of data.smk read, and their settings.

from vebi.config.datasets import An8FlowerConfig
from vebi.data.on_disk import listing_files


def get_listing_files(wildcards):
    """Files that say which images a data set has; an edit of them loads it again."""
    data = CONFIG.datasets[wildcards.dataset]
    return listing_files(data) if data.kind == "image_folder" else []


def get_load_settings(wildcards):
    """What a loaded data set depends on."""
    data = CONFIG.datasets[wildcards.dataset]
    return data.model_dump(exclude={"if_missing", "instead_of"})


def get_cache(wildcards):
    """Where downloads of a kind of data set are kept between runs."""
    return Path("resources") / CONFIG.datasets[wildcards.dataset].kind


def get_flowers(wildcards):
    """The settings of a rendered data set."""
    data = CONFIG.datasets[wildcards.dataset]
    assert isinstance(data, An8FlowerConfig)
    return data


def get_chunk_range(wildcards):
    """First image of a chunk and the one after its last."""
    data = get_flowers(wildcards)
    start = int(wildcards.chunk) * data.images_per_chunk
    return start, min(start + data.images_per_chunk, data.images)


def get_render_arguments(wildcards):
    """Command line of the renderer for a chunk."""
    data = get_flowers(wildcards)
    start, stop = get_chunk_range(wildcards)
    return (
        f"--set {data.flower_set} --seed {CONFIG.seed} --start {start} --stop {stop}"
        f" --size {data.size} --samples {data.samples} --views-per-base {data.views_per_base}"
        f" --device {'cpu' if CONFIG.device == 'cpu' else 'auto'}"
    )


def get_chunks(wildcards):
    """All chunks of a rendered data set."""
    data = get_flowers(wildcards)
    return [
        RESULTS / "data" / wildcards.dataset / "chunks" / f"{number:04d}.h5"
        for number in range(-(-data.images // data.images_per_chunk))
    ]
