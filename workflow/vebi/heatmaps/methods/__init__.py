"""One module per heatmap method, named in its record in `vebi.catalogue.methods`.

A method that explains the class has `signal`: a `ClassBatch` to a signal (N, C, H, W) at the pixels, or
(N, 1, H, W). One that explains features has `draw`: a `FeatureBatch` to a map of every feature,
(N, k, H, W) in [0, 1], zero where there is none; or `choose`, if it draws as another does and what is
its own is the choice of features: (subject, k) to features int64 (N, k, 2) and their scores (N, k).
"""
