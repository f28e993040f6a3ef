"""Sanity checks for saliency maps (Adebayo et al. 2018): do maps depend on what was learnt?"""
