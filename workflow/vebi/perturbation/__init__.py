"""Channels that stand out when the input is perturbed (Lengerich et al. 2017): the method."""
