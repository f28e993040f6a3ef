# What the rules of report.smk read, and their settings.


def get_first_files(pattern, experiments):
    """One file per experiment, of its first seed's network."""
    return PLAN.files(pattern, PLAN.runs(experiments, [PLAN.first_seed]))


def get_page_digest():
    """Digest of the page that the report is made from; an edit makes it again."""
    return files_digest(WORKFLOW / "vebi/report/page")
