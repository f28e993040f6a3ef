"""Any `nn.Module` seen as the sequence of operations that its forward pass executes."""

from vebi.network.layers import Layer, Window, feature_index, list_layers
from vebi.network.passes import LayerPass, responses, to_network_input
from vebi.network.running import evaluating, run

__all__ = [
    "Layer",
    "LayerPass",
    "Window",
    "evaluating",
    "feature_index",
    "list_layers",
    "responses",
    "run",
    "to_network_input",
]
