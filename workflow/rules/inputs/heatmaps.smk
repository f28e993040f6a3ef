# What the rules of heatmaps.smk read, and their settings.


def get_settings_of(methods):
    """How maps are made by some of the methods: another method changes nothing for these."""
    return {**get_settings(CONFIG.heatmaps), "methods": methods}


def get_own_settings(wildcards):
    """How the maps of the user's method are made."""
    return get_settings_of([CONFIG.heatmaps.own[wildcards.method].model_dump()])
