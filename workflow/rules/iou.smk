# iou.h5: how well the heatmaps cover the masks, image by image.


rule measure_iou:
    """IoU of every heatmap with its mask at every threshold (VEBI 4.3), and other measures."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.names,
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
        ranked=CONFIG.iou.ranked,
        root_seed=CONFIG.seed,
        code=get_code("measure_iou.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/measure_iou.py"
