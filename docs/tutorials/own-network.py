# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Your own network on your own images
#
# Any `torch.nn.Module` that returns class scores can be explained. Here it is a small one, trained on images
# that are drawn on the spot: a square, a disc or a cross, at a random place among noise. Put your own network
# and your own images in their place.

# %%
import numpy as np
import torch
from IPython.display import display

import vebi

CLASSES = ["square", "disc", "cross"]
rng = np.random.default_rng(0)


def draw(kind):
    """A grey image of 32 x 32 pixels, uint8, with one shape on it."""
    image = rng.integers(0, 60, (32, 32))
    row, column = rng.integers(7, 25, 2)
    y, x = np.mgrid[:32, :32] - np.array([row, column])[:, None, None]
    shape = {
        "square": np.maximum(abs(y), abs(x)) <= 4,
        "disc": y**2 + x**2 <= 20,
        "cross": (np.minimum(abs(y), abs(x)) <= 1) & (np.maximum(abs(y), abs(x)) <= 6),
    }[kind]
    image[shape] = 220
    return image.astype(np.uint8)


labels = np.arange(600) % 3
pixels = np.stack([draw(CLASSES[label]) for label in labels])
images = torch.tensor(pixels)[:, None].float() / 255  # (N, C, H, W), as the network takes them

# %% [markdown]
# ## The network
#
# Nothing about it is special, and `vebi` needs to know nothing about it: layers are found by watching one
# forward pass.

# %%
torch.manual_seed(0)
model = torch.nn.Sequential(
    *(torch.nn.Conv2d(1, 12, 5, padding=2), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
    *(torch.nn.Conv2d(12, 24, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
    *(torch.nn.Flatten(), torch.nn.Linear(24 * 8 * 8, 3)),
)
optimiser = torch.optim.Adam(model.parameters(), 0.003)
for _ in range(60):
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(images[:500]), torch.tensor(labels[:500]))
    loss.backward()
    optimiser.step()
model.eval()
accuracy = (model(images[500:]).argmax(1).numpy() == labels[500:]).mean()
print(f"accuracy on 100 new images: {accuracy:.2f}")

# %% [markdown]
# ## Which features carry each class
#
# `vebi.fit` measures every channel of every layer on your images and selects, for each class, the few that
# predict it (the mu-Lasso of the paper's Eq. 1). `mu` bounds the sum of the absolute weights: a larger one
# selects more features.

# %%
explainer = vebi.fit(model, images[:500], labels[:500], mu=10, classes=CLASSES)
explainer.selected.sort_values("weight", ascending=False).head(8)

# %% [markdown]
# ## Where they look
#
# For each new image: what was predicted, the features with the largest weighted response, and the places in
# the image that they respond to. Explanations show themselves in a notebook.

# %%
explanations = explainer.explain(images[500:503], method="vebi", top=3)
display(explanations)

# %% [markdown]
# As the paper's Fig. 6, a matplotlib figure. `explainer.panel(images, "panel.png")` explains, draws and writes
# it at once.

# %%
explanations.panel()

# %% [markdown]
# The same as numbers. `heatmap` is an array (H, W) in [0, 1], for the whole explanation and for each feature.

# %%
for explanation in explanations:
    print(f"{explanation.predicted}, probability {explanation.confidence:.2f}")
    for feature in explanation.features:
        print(f"  layer {feature.layer}, channel {feature.channel}, weight {feature.weight:+.2f}")

# %% [markdown]
# ## Do they look at the shape?
#
# We drew the shapes ourselves, so we know where they are: how much of a map lies on the shape, against the
# share of the image that the shape covers?

# %%
for method in ("vebi", "upsampled_activation", "lrp", "grad_cam"):
    found = explainer.explain(images[500:], method=method)
    on = np.mean(
        [
            e.heatmap[shape > 200].sum() / max(e.heatmap.sum(), 1e-9)
            for e, shape in zip(found, pixels[500:], strict=True)
        ]
    )
    print(f"{method:22s} {on:.2f} of the map on the shape")
print(f"{'(share of the image)':22s} {(pixels[500:] > 200).mean():.2f}")

# %% [markdown]
# ## Later
#
# The selection is kept as HDF5, without pickle. The network is code and weights of yours, so it is given again;
# another one, or one with other weights, is refused.

# %%
explainer.save("explainer.h5")
again = vebi.Explainer.load("explainer.h5", model)
print(again)

# %% [markdown]
# ## Your own
#
# - **Images** may also be uint8 (N, H, W, C) together with `preprocess=`, a function from float pixels
#   0 to 255 (N, C, H, W) to what the network takes.
# - **Labels** may be left out: then the network's own predictions are explained.
# - **From the command line**, with a folder of images per class:
#   `vebi explain --factory my_nets.py:make --weights W.pt --data FOLDER IMAGE...`
# - **The whole protocol** (ablation with controls, sanity checks, occlusion, a report) runs on your
#   network with [a short configuration](../../examples/README.md).
