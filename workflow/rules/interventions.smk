# effects.h5: what changing one thing in a scene does to a network, and where the maps lie.

from vebi.config.interventions import EffectConfig


include: "inputs/interventions.smk"


rule render_interventions:
    """Render some test images of a flower set again, each with one thing changed at a time."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
    output:
        RESULTS / "data/{dataset}/interventions/{chunk}.h5",
    log:
        RESULTS / "logs/interventions/{dataset}/{chunk}.log",
    benchmark:
        RESULTS / "benchmarks/interventions/{dataset}/{chunk}.tsv"
    conda:
        "../../envs/render.yaml"
    resources:
        mem_mb=1500,
    params:
        arguments=get_intervention_arguments,
        images=CONFIG.interventions.images if CONFIG.interventions else 0,
        per_chunk=CONFIG.interventions.images_per_chunk if CONFIG.interventions else 0,
        code=get_code("render_interventions.py", "vebi.data.an8flower.intervene"),
    script:
        "../scripts/render_interventions.py"


rule assemble_interventions:
    """Put the interventions on all images of a flower set together."""
    input:
        get_intervention_chunks,
    output:
        RESULTS / "data/{dataset}/interventions.h5",
    log:
        RESULTS / "logs/interventions/{dataset}/assemble.log",
    benchmark:
        RESULTS / "benchmarks/interventions/{dataset}/assemble.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        flower_set=lambda wildcards: CONFIG.datasets[wildcards.dataset].flower_set,
        code=get_code("assemble_interventions.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/assemble_interventions.py"


rule measure_interventions:
    """Score every intervention by the network, and every method's maps by the parts they lie on."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
        interventions=RESULTS / "data/{dataset}/interventions.h5",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.names,
            allow_missing=True,
        ),
    output:
        RESULTS / "interventions" / RUN / "effects.h5",
    log:
        RESULTS / "logs/interventions" / RUN / "measure.log",
    benchmark:
        RESULTS / "benchmarks/interventions" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.interventions, *EffectConfig.model_fields),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("measure_interventions.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/measure_interventions.py"
