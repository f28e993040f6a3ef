# dataset.h5: rendered in chunks, or loaded.


RENDERED = [name for name, d in CONFIG.datasets.items() if not d.loader]
LOADED = [name for name, d in CONFIG.datasets.items() if d.loader]


include: "inputs/data.smk"


rule render_chunk:
    """Render some images of a flower set, with their masks."""
    output:
        RESULTS / "data/{dataset}/chunks/{chunk}.h5",
    log:
        RESULTS / "logs/data/{dataset}/{chunk}.log",
    benchmark:
        RESULTS / "benchmarks/data/{dataset}/{chunk}.tsv"
    wildcard_constraints:
        dataset=get_pattern(RENDERED),
    conda:
        "../../envs/render.yaml"
    resources:
        mem_mb=1500,
    params:
        arguments=get_render_arguments,
        # It runs in an environment of its own.
        code=get_code("render_chunk.py", "vebi.data.an8flower.render", versions=False),
    script:
        "../scripts/render_chunk.py"


rule assemble_flowers:
    """Put the chunks of a flower set together, with the split by base scene."""
    input:
        get_chunks,
    output:
        RESULTS / "data/{dataset}/dataset.h5",
    log:
        RESULTS / "logs/data/{dataset}/assemble.log",
    benchmark:
        RESULTS / "benchmarks/data/{dataset}/assemble.tsv"
    wildcard_constraints:
        dataset=get_pattern(RENDERED),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        settings=lambda wildcards: get_settings(
            CONFIG.datasets[wildcards.dataset], "flower_set", "folds", "fold"
        ),
        code=get_code("assemble_flowers.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/assemble_flowers.py"


rule load_dataset:
    """Bring a data set that exists elsewhere into the common format, or index its image files."""
    input:
        get_listing_files,
    output:
        RESULTS / "data/{dataset}/dataset.h5",
    log:
        RESULTS / "logs/data/{dataset}/load.log",
    benchmark:
        RESULTS / "benchmarks/data/{dataset}/load.tsv"
    wildcard_constraints:
        dataset=get_pattern(LOADED),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        settings=get_load_settings,
        cache=get_cache,
        code=get_code("load_dataset.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/load_dataset.py"
