# What the rules of sanity.smk read, and their settings.

from vebi.studies.sanity import random_label_runs


def get_random_label_settings(wildcards):
    """How a network is trained on shuffled labels: as its model, for its own number of epochs."""
    assert CONFIG.sanity
    settings = CONFIG.models[wildcards.model].settings()
    return {**settings, "epochs": CONFIG.sanity.random_label_epochs}


def get_random_label_model(wildcards):
    """The network of a run that was trained on shuffled labels, if there is one."""
    run = get_run(wildcards)
    if run not in random_label_runs(PLAN):
        return []
    return str(RESULTS / "models" / RUN / "random_labels.pt").format(**run)
