# What the rules of models.smk read, and their settings.

from vebi.studies.perturbation import kept_epochs


def get_kept_epochs(wildcards):
    """Epochs after which a training keeps the network, for a study that follows them."""
    return kept_epochs(PLAN, get_run(wildcards))
