# figures/*.png, each with a vector PDF next to it; a rule per figure or family of figures.


for _study, _name, _figure in drawn_figures():
    if not (_study.wanted(PLAN) and _figure.wanted(PLAN)):
        continue

    rule:
        name:
            f"draw_{_name}"
        input:
            **_figure.inputs(PLAN),
            tables=get_read_tables(_study, _figure),
        output:
            in_report(RESULTS / f"figures/{_figure.pattern(_name)}.png"),
        log:
            RESULTS / f"logs/figures/{_figure.pattern(_name)}.log",
        benchmark:
            RESULTS / f"benchmarks/figures/{_figure.pattern(_name)}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG.compute_threads
        resources:
            mem_mb=_figure.memory_mb,
        params:
            draw=_figure.draw,
            settings=get_figure_settings(_figure),
            shown_as=CONFIG.shown_as,
            tables={name: _study.tables[name] for name in _figure.reads},
            code=get_code("draw.py", _figure.draw),
            compute_threads=CONFIG.compute_threads,
        script:
            "../scripts/draw.py"
