"""The random controls of the ablation, by where as many features are drawn.

Anywhere in the scope; from the layers that have selected features, the paper's control ("from the layers
indicated in a) and b)"); in each layer as many as are selected there.
"""

CONTROLS = ("random", "random_selected_layers", "random_layer_matched")
