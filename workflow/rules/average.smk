# average.h5: mean patches of the features that explain each class, of the first seed's network.


include: "inputs/average.smk"


rule average_patches:
    """Cut each feature's strongest patches by its receptive field, and average them (VEBI 4.2)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        RESULTS / "average" / RUN / "average.h5",
    log:
        RESULTS / "logs/average" / RUN / "average.log",
    benchmark:
        RESULTS / "benchmarks/average" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.average),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        device=CONFIG.device,
        code=get_code("average_patches.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/average_patches.py"


rule draw_average:
    """Average images: all classes in one figure, and a sheet for each (the paper's Fig. 5)."""
    input:
        average=PLAN.first(f"average/{RUN}/average.h5"),
        intervened=get_intervened,
    output:
        rows=in_report(RESULTS / "figures/average_{dataset}_{model}.png"),
        sheets=directory(RESULTS / "figures/average_{dataset}_{model}"),
    log:
        RESULTS / "logs/figures/average_{dataset}_{model}.log",
    benchmark:
        RESULTS / "benchmarks/figures/average_{dataset}_{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1500,
    params:
        code=get_code("draw_average.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_average.py"
