"""What figures share: style, grids of panels, images."""

from vebi.figures.grid import new_grid
from vebi.figures.images import show_image
from vebi.figures.style import new_figure, save, styled

__all__ = ["new_figure", "new_grid", "save", "show_image", "styled"]
