"""Box occlusion: what is left of a prediction when a heatmap's places are covered (VEBI 4.2)."""
