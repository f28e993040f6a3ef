# occlusion.h5: confidence in the prediction while the heatmaps' places are covered.


rule occlude:
    """Cover test images with boxes drawn from every method's heatmaps (VEBI 4.2)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.methods,
            allow_missing=True,
        ),
    output:
        RESULTS / "occlusion" / RUN / "occlusion.h5",
    log:
        RESULTS / "logs/occlusion" / RUN / "occlude.log",
    benchmark:
        RESULTS / "benchmarks/occlusion" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.occlusion),
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("occlude.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/occlude.py"


rule tabulate_occlusion:
    """Confidence curves with intervals, and paired differences between methods."""
    input:
        get_run_files("occlusion" / Path(RUN) / "occlusion.h5"),
    output:
        occlusion=in_report(RESULTS / "tables/occlusion.csv"),
        occlusion_paired=in_report(RESULTS / "tables/occlusion_paired.csv"),
    log:
        RESULTS / "logs/tables/occlusion.log",
    benchmark:
        RESULTS / "benchmarks/tables/occlusion.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_occlusion.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_occlusion.py"


rule draw_occlusion:
    """Confidence against covered area, and every method against deconvnet with guided backprop."""
    input:
        occlusion=RESULTS / "tables/occlusion.csv",
        occlusion_paired=RESULTS / "tables/occlusion_paired.csv",
    output:
        in_report(RESULTS / "figures/occlusion.png"),
    log:
        RESULTS / "logs/figures/occlusion.log",
    benchmark:
        RESULTS / "benchmarks/figures/occlusion.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_occlusion.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_occlusion.py"
