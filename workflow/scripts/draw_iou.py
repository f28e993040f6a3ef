"""IoU tables to the figure of the curves."""

from vebi.figures.plots import draw_iou_curves
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    curves = read_table(snakemake.input.curve, "iou_curve")
    save(draw_iou_curves(curves, read_table(snakemake.input.auc, "iou_auc")), snakemake.output[0])
