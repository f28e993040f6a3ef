"""`vebi benchmark`: anyone's explanation method next to known ones, on scenes with known effects.

A `Bench` (`bench`) is a network with test images whose parts have exact masks, and with the effect that
changing each part has on that network. `score` asks a method's maps ten questions about them, scene by
scene; `controls` are maps that know nothing of the network, or the answer. `compare` puts methods, known
ones and controls together; `ranks` and `page` show them. What is published with the package is in
`reference`: networks, scenes, the features selected in them, and the scores of known methods.
"""
