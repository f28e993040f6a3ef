"""Neurons that matter when the input is perturbed (Lengerich et al. 2017, arXiv 1707.09641)."""
