"""Whether the paper's orderings hold for other variants of its method (VEBI 4.1 and 4.3)."""
