"""IoU tables to the figure of the curves."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.iou.figures import draw_iou_curves

with job(snakemake):
    curves = read_table(snakemake.input.curve, "iou_curve")
    save(draw_iou_curves(curves, read_table(snakemake.input.auc, "iou_auc")), snakemake.output[0])
