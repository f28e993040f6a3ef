"""Any function that returns an nn.Module from pixels (N, C, H, W), 0 to 255, to class scores."""

from torch import nn


def make(width=12, classes=3):
    return nn.Sequential(
        *(nn.Conv2d(3, width, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * width, classes)),
    )
