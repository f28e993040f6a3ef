"""Networks by name, and their training."""
