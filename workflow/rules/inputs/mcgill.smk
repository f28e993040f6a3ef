# What the rules of mcgill.smk read, and their settings.

from vebi.studies.mcgill import get_networks
from vebi.studies.mcgill.report_networks import WORKS


def get_mcgill_network(wildcards):
    """The settings of a network of the McGill report."""
    place = wildcards.dataset, wildcards.model
    return next(n for n in get_networks(PLAN) if (n.dataset, n.model) == place)


def get_mcgill_descriptor(wildcards):
    """The descriptor that the report uses for a network."""
    return WORKS[get_mcgill_network(wildcards).kind].descriptor


def get_mcgill_features(wildcards):
    """What each solver selects in a network."""
    return [
        RESULTS / "mcgill" / RUN.format(**wildcards) / solver / "features.csv"
        for solver in get_mcgill_network(wildcards).solvers
    ]
