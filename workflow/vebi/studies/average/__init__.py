"""Average images: what the selected features of each class look at (VEBI 4.2, Fig. 5)."""
