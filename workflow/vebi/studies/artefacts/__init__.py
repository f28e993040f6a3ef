"""Grid artefacts: what strides leave in heatmaps (VEBI 3.3, Figs. 2 and 7)."""
