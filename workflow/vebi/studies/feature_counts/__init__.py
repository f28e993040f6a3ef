"""How many features each variant of the method selects (VEBI 4.1)."""
