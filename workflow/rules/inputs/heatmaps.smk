# What the rules of heatmaps.smk read, and their settings.

from vebi.catalogue.methods import METHODS


def get_settings_of(methods):
    """How maps are made by some of the methods: another method changes nothing for these."""
    return {**get_settings(CONFIG.heatmaps), "methods": methods}


def get_own_settings(wildcards):
    """How the maps of the user's method are made."""
    return get_settings_of([CONFIG.heatmaps.own[wildcards.method].model_dump()])


def get_sampling():
    """The first perturbation of the configuration, where a method chooses features by it.

    Empty where none does, so that a change of it does not make those heatmaps again.
    """
    metrics = {METHODS[name].metric for name in CONFIG.heatmaps.built_in}
    if not metrics & {"correlation", "precision"}:
        return {}
    return get_settings(CONFIG.resampling, "perturbations", "copies", "batch_size")
