# What the rules of interventions.smk read, and their settings.


def get_intervention_arguments(wildcards):
    """Command line of the renderer, but for the images and the file."""
    data = get_flowers(wildcards)
    return (
        f"--set {data.flower_set} --seed {CONFIG.seed} --size {data.size}"
        f" --samples {data.samples} --views-per-base {data.views_per_base}"
        f" --device {'cpu' if CONFIG.device == 'cpu' else 'auto'}"
    )


def get_intervention_chunks(wildcards):
    """The chunks of all images of a flower set that are rendered with changes."""
    data, study = get_flowers(wildcards), CONFIG.interventions
    assert study is not None
    images = min(study.images, data.n_test)
    return [
        RESULTS / "data" / wildcards.dataset / f"interventions/{number:04d}.h5"
        for number in range(-(-images // study.images_per_chunk))
    ]
