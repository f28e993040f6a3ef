# model.pt: one network per data set, model and seed.


rule train:
    """Train a network from its seed."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
    output:
        model=RESULTS / "models" / RUN / "model.pt",
        history=RESULTS / "models" / RUN / "history.csv",
    log:
        RESULTS / "logs/models" / RUN / "train.log",
    benchmark:
        RESULTS / "benchmarks/models" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=lambda wildcards: get_settings(CONFIG.models[wildcards.model]),
        device=CONFIG.device,
        code=get_code("train.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/train.py"
