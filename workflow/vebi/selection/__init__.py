"""Relevant features per class: the mu-Lasso of VEBI 3.1 (Eq. 1), its whole path, its certificates."""
