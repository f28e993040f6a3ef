# What the rules of heatmaps.smk read, and their settings.


def get_heatmap_settings(wildcards):
    """How maps are made: those of the one user's method, else those of all built-in methods."""
    own = wildcards.get("method")
    methods = CONFIG.heatmaps.built_in
    if own:
        methods = [CONFIG.heatmaps.own[own].model_dump()]
    return {**get_settings(CONFIG.heatmaps), "methods": methods}


def get_own_code(wildcards):
    """The user's code that the job runs."""
    return get_method_files([wildcards.get("method")])
