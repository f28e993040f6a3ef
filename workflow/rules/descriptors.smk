# descriptors.h5: one vector per image, what every filter of the network responds with.


rule describe:
    """Compute the descriptors of all images (VEBI 3.1) and the network's predictions."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
    output:
        RESULTS / "descriptors" / RUN / "descriptors.h5",
    log:
        RESULTS / "logs/descriptors" / RUN / "describe.log",
    benchmark:
        RESULTS / "benchmarks/descriptors" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        variant=CONFIG.selection.descriptor,
        device=CONFIG.device,
        code=get_code("describe.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/describe.py"
