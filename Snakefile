# Visual Explanation by Interpretation, from rendered scenes to tables and figures.
# `snakemake --cores all` makes everything that config/config.yaml asks for.

from snakemake.utils import min_version

min_version("9.20")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/descriptors.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/controls.smk"
include: "workflow/rules/identifiability.smk"
include: "workflow/rules/heatmaps.smk"
include: "workflow/rules/iou.smk"
include: "workflow/rules/average.smk"
include: "workflow/rules/interventions.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/artefacts.smk"
include: "workflow/rules/occlusion.smk"
include: "workflow/rules/sanity.smk"
include: "workflow/rules/robustness.smk"
include: "workflow/rules/feature_counts.smk"
include: "workflow/rules/perturbation.smk"
include: "workflow/rules/mcgill.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onsuccess:
    from vebi.run.summary import summarise

    print(summarise(FOLDER))


rule all:
    default_target: True
    input:
        get_tables(),
        get_figures(),
        RESULTS / "manifest.json",
        RESULTS / "report.html",
        CAPTIONS,
