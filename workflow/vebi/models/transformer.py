"""A small vision transformer for the flowers."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def an8flower_vit(
    shape: tuple[int, int, int], n_classes: int, patch: int = 8, depth: int = 5
) -> list[tuple[str, nn.Module]]:
    """Vision transformer for (3, 112, 112) images: 1.0 million weights, patches of 8 x 8 pixels.

    The plain one of Dosovitskiy et al. (2021) with the changes of Beyer, Zhai and Kolesnikov (2022):
    fixed positions, and the mean of the tokens in place of a class token. Its patch embedding is a
    convolution of stride `patch`, in which the resampling of VEBI 3.3 matters.
    """
    width = 128
    size = ((shape[1] - patch) // patch + 1, (shape[2] - patch) // patch + 1)
    blocks = [(f"block{i}", TransformerBlock(width, 4, 4 * width)) for i in range(1, depth + 1)]
    return [
        ("patch_embedding", nn.Conv2d(shape[0], width, patch, stride=patch)),
        ("tokens", Tokens(width, size)),
        *blocks,
        ("norm", nn.LayerNorm(width)),
        ("mean", TokenMean()),
        ("head", nn.Linear(width, n_classes)),
    ]


class Tokens(nn.Module):
    """Maps (N, C, h, w) as tokens (N, h w, C) that know their place.

    Sines and cosines of row and column, a quarter of the channels each, at periods from 2 pi to
    20,000 pi patches (Beyer et al. 2022).
    """

    places: Tensor

    def __init__(self, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        rates = 10_000.0 ** -(torch.arange(width // 4) / (width // 4 - 1))
        rows, columns = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
        angles = [axis.flatten()[:, None] * rates for axis in (rows, columns)]
        waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
        self.register_buffer("places", torch.cat(waves, 1), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2) + self.places


class TransformerBlock(nn.Module):
    """Attention and two layers of weights, each after a normalisation and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.gelu, self.fc2 = (
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, C) to tokens of the same shape."""
        # (N, T, 3, heads, d) to three (N, heads, T, d)
        parts = self.qkv(self.norm1(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.proj(attended.transpose(1, 2).flatten(2))
        return tokens + self.fc2(self.gelu(self.fc1(self.norm2(tokens))))


class TokenMean(nn.Module):
    """The mean of tokens (N, T, C): (N, C)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)
