# model.pt: one network per data set, model and seed.


include: "inputs/models.smk"


rule train:
    """Train a network from its seed, or take it as given."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        given=get_network_files,
    output:
        model=RESULTS / "models" / RUN / "model.pt",
        history=RESULTS / "models" / RUN / "history.csv",
        # The networks of the epochs that a study follows; empty for the others.
        checkpoints=(
            [directory(RESULTS / "models" / RUN / "epochs")]
            if CONFIG.resampling and CONFIG.resampling.epoch_study
            else []
        ),
    log:
        RESULTS / "logs/models" / RUN / "train.log",
    benchmark:
        RESULTS / "benchmarks/models" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=lambda wildcards: CONFIG.models[wildcards.model].settings(),
        keep_epochs=get_kept_epochs,
        device=CONFIG.device,
        code=get_code("train.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/train.py"
