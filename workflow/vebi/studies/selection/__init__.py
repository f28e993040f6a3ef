"""Which features the mu-Lasso selects, along the whole path."""
