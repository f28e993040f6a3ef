"""What explanations look like: panels and examples (VEBI Figs. 6 and 9)."""
