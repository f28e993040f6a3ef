# What the rules of average.smk read.


def get_intervened(wildcards):
    """What changes in the scenes do to the network, and its descriptors, where the run renders such scenes."""
    if get_experiment(wildcards) not in PLAN.intervened or not CONFIG.interventions:
        return []
    return [
        PLAN.first(f"interventions/{RUN}/effects.h5"),
        PLAN.first(f"descriptors/{RUN}/descriptors.h5"),
    ]
