# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # The flowers as a benchmark
#
# Whether a heatmap is right can only be said where it is known which pixels carry the class. The paper renders
# flowers for that purpose, in which one part's colour is the class. `vebi` renders them again, with an exact mask of
# every part, in any number: a benchmark for any explanation method, not only for those of this project.

# %%
import subprocess

import numpy as np
import torch

import vebi
from vebi.data import Flowers
from vebi.studies.iou.curve import area_under_curve, iou_curves

small = "--images 120 --views-per-base 2 --size 56 --samples 2"
_ = subprocess.run(
    ["vebi", "flowers", "--set", "single-6c", "--out", "flowers", *small.split()], check=True
)

# %% [markdown]
# Reading them needs neither Blender nor the pipeline. An item is an image, its label and, on request, the mask of
# the part that carries the class. In `single-6c` that is the petals.

# %%
train = Flowers("flowers", set="single-6c", split="train")
test = Flowers("flowers", set="single-6c", split="test", masks=True)
print(len(train), "images to train on,", len(test), "to test;", ", ".join(test.classes))
image, label, mask = test[0]
print("image", image.size, "label", label, "mask covers", f"{np.asarray(mask).mean():.3f} of it")


def stack(flowers):
    """Images as the network takes them, float (N, 3, H, W)."""
    pixels = np.stack([np.asarray(item[0]) for item in flowers])
    return torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255


x, x_test, masks = stack(train), stack(test), np.stack([np.asarray(item[2]) for item in test])

# %% [markdown]
# A small network whose first layer has a stride of 2, as those of the paper have: the stride is what leaves a grid in
# heatmaps.

# %%
torch.manual_seed(0)
model = torch.nn.Sequential(
    *(torch.nn.Conv2d(3, 16, 5, stride=2, padding=2), torch.nn.ReLU()),
    *(torch.nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.nn.ReLU()),
    *(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 6)),
)
optimiser = torch.optim.Adam(model.parameters(), 0.01)
y = torch.tensor(train.targets)
for _ in range(80):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimiser.step()
model.eval()
print(f"test accuracy {(model(x_test).argmax(1).numpy() == test.targets).mean():.2f}")

# %% [markdown]
# ## Any method against the masks
#
# The score is the paper's: intersection over union of the map above a threshold and the mask, for all thresholds
# from 0 to 1, and the area under that curve. `area` is for your own maps, too: any array (N, H, W) in [0, 1].

# %%
explainer = vebi.fit(model, x, train.targets, mu=10, classes=test.classes)


def area(heatmaps):
    """Area under the IoU curve, mean over the images."""
    return area_under_curve(iou_curves(heatmaps, masks)).mean()


for method in ("vebi", "deconv_gb", "upsampled_activation", "grad_cam", "lrp", "gradient_x_input"):
    maps = np.stack([e.heatmap for e in explainer.explain(x_test, method=method)])
    print(f"{method:22s} {area(maps):.3f}")
noise = np.random.default_rng(0).random(masks.shape)
print(f"{'noise':22s} {area(noise):.3f}")

# %%
explainer.panel(x_test[:2], method="vebi")

# %% [markdown]
# One small network and 24 test images decide nothing: the [results](../results.md) come from many networks, with
# intervals that count base scenes, not images. Score a file of your maps on any set with
# `vebi iou HEATMAPS.h5 MASKS.h5`.
