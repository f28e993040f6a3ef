"""Everything that a run has made to report.html."""

from pathlib import Path
from typing import Any

from vebi.data.dataset import open_dataset
from vebi.report.curves import Selected
from vebi.report.gallery import Explained
from vebi.report.page import Sources, write_report
from vebi.run.job import job

with job(snakemake):
    output = Path(snakemake.output[0])
    run = output.parent

    def place(stage: str, one: dict[str, Any]) -> Path:
        return run / stage / one["dataset"] / one["model"] / f"seed{snakemake.params.seed}"

    def data(one: dict[str, Any]) -> Path:
        return run / "data" / one["dataset"] / "dataset.h5"

    sources = Sources(
        run=run.name,
        tables=[Path(path) for path in snakemake.input.tables],
        figures=[Path(path) for path in snakemake.input.figures],
        manifest=Path(snakemake.input.manifest),
        explained=[
            Explained(
                one["dataset"],
                one["model"],
                snakemake.params.seed,
                data(one),
                place("descriptors", one) / "descriptors.h5",
                {m: place("heatmaps", one) / f"{m}.h5" for m in snakemake.params.methods},
                place("iou", one) / "iou.h5" if one["masks"] else None,
            )
            for one in snakemake.params.explained
        ],
        selected=[
            Selected(
                one["dataset"],
                one["model"],
                snakemake.params.seed,
                place("selection", one) / snakemake.params.scope / "path.h5",
                open_dataset(data(one)).classes,
                one["mu"],
            )
            for one in snakemake.params.selected
        ],
    )
    write_report(output, sources)
