# What the rules of selection.smk read, and their settings.


def get_sums():
    """Sums over the parts of a descriptor file; none where the selection reads the file itself."""
    if not CONFIG.sums_descriptors_apart:
        return []
    return [
        RESULTS / "selection" / RUN / f"sums/{part}.h5"
        for part in range(CONFIG.selection.parts)
    ]
