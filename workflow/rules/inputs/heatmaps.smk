# How images are perturbed for heatmaps.

from vebi.catalogue.methods import METHODS


def get_sampling():
    """The first perturbation of the configuration, where a method chooses features by it.

    Empty where none does, so that a change of it does not make those heatmaps again.
    """
    metrics = {METHODS[name].metric for name in CONFIG.heatmaps.methods}
    if not metrics & {"correlation", "precision"}:
        return {}
    return get_settings(CONFIG.resampling, "perturbations", "copies", "batch_size")
