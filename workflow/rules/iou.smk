# iou.h5: how well the heatmaps cover the masks, image by image.


rule measure_iou:
    """IoU of every heatmap with its mask at every threshold (VEBI 4.3), and other measures."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.methods,
            allow_missing=True,
        ),
    output:
        RESULTS / "iou" / RUN / "iou.h5",
    log:
        RESULTS / "logs/iou" / RUN / "measure.log",
    benchmark:
        RESULTS / "benchmarks/iou" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1500,
    params:
        thresholds=CONFIG.iou.thresholds,
        root_seed=CONFIG.seed,
        code=get_code("measure_iou.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/measure_iou.py"


rule draw_localisation:
    """Relevance mass, relevance rank accuracy and pointing game of all methods."""
    input:
        RESULTS / "tables/localisation.csv",
    output:
        in_report(RESULTS / "figures/localisation.png"),
    log:
        RESULTS / "logs/figures/localisation.log",
    benchmark:
        RESULTS / "benchmarks/figures/localisation.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_localisation.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_localisation.py"


rule draw_distractors:
    """How much of each method's map falls on what explains the class, and on what doesn't."""
    input:
        RESULTS / "tables/distractors.csv",
    output:
        in_report(RESULTS / "figures/distractors.png"),
    log:
        RESULTS / "logs/figures/distractors.log",
    benchmark:
        RESULTS / "benchmarks/figures/distractors.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_distractors.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_distractors.py"
