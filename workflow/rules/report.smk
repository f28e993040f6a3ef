# manifest.json: what was run with what, and the checksum of every result.


rule write_manifest:
    """Write down configuration, versions, machine and checksums."""
    input:
        get_tables(),
        get_figures(),
    output:
        RESULTS / "manifest.json",
    log:
        RESULTS / "logs/manifest.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=1000,
    params:
        config=CONFIG.model_dump(),
        code=get_code("write_manifest.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/write_manifest.py"
