"""torch's multi-head attention as the operations that it is made of.

`nn.MultiheadAttention` computes inside one function, with images along the second axis or in fused code.
Written out, its projections and its heads are layers like any other.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_SIGNATURE = inspect.signature(functional.multi_head_attention_forward)
# Additions to the keys that no image classifier known to us uses: left to torch's own function.
_RARE = ("bias_k", "bias_v", "add_zero_attn", "static_k", "static_v")


def attention_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Mapping[str, Any] | None:
    """The arguments of a call that `attention` can stand in for, by name; None for any other call."""
    if function is not functional.multi_head_attention_forward:
        return None
    bound = _SIGNATURE.bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    has_rare = any(isinstance(given[name], Tensor) or given[name] is True for name in _RARE)
    return None if has_rare or given["query"].ndim != 3 else given


def attention(given: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """Compute what a call of `multi_head_attention_forward` does.

    Vaswani et al. (2017), Eq. 1 for each head: softmax(q k' / sqrt(d)) v.

    Args:
        given: the call's arguments.

    Returns:
        The tokens (T, N, E), and the attention weights where they are asked for.
    """
    query, key, value = _projected(given)
    heads = given["num_heads"]
    query, key, value = (
        tokens.unflatten(2, (heads, -1)).transpose(1, 2) for tokens in (query, key, value)
    )
    mask = _mask(given, query)
    dropout = given["dropout_p"] if given["training"] else 0.0
    weights = None
    if given["need_weights"]:
        scores = query @ key.transpose(2, 3) * math.sqrt(1 / query.shape[3])
        weights = functional.softmax(scores if mask is None else scores + mask, dim=-1)
        dropped = functional.dropout(weights, dropout) if dropout > 0 else weights
        found = dropped @ value
        weights = weights.mean(1) if given["average_attn_weights"] else weights
    else:
        causal = given["is_causal"] and given["key_padding_mask"] is None
        found = functional.scaled_dot_product_attention(
            query, key, value, None if causal else mask, dropout, causal
        )
    joined = found.transpose(1, 2).flatten(2)
    tokens = functional.linear(joined, given["out_proj_weight"], given["out_proj_bias"])
    return tokens.transpose(0, 1), weights


def _projected(given: Mapping[str, Any]) -> list[Tensor]:
    """Queries, keys and values, each (N, T, E)."""
    sources = [given[name] for name in ("query", "key", "value")]
    weight, bias = given["in_proj_weight"], given["in_proj_bias"]
    same = sources[0] is sources[1] is sources[2]
    if same and not given["use_separate_proj_weight"]:
        return list(functional.linear(sources[0].transpose(0, 1), weight, bias).chunk(3, 2))
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    separate = given["use_separate_proj_weight"]
    weights = [given[name] for name in names] if separate else weight.chunk(3)
    biases = [None] * 3 if bias is None else bias.chunk(3)
    return [
        functional.linear(source.transpose(0, 1), *parameters)
        for source, *parameters in zip(sources, weights, biases, strict=True)
    ]


def _mask(given: Mapping[str, Any], query: Tensor) -> Tensor | None:
    """What is added to the scores (N, heads, T, T), None for nothing."""
    n_images, heads = query.shape[:2]
    total = None
    for name in ("attn_mask", "key_padding_mask"):
        mask = given[name]
        if mask is None:
            continue
        if mask.dtype == torch.bool:
            mask = query.new_zeros(mask.shape).masked_fill(mask, -math.inf)
        if name == "key_padding_mask":
            mask = mask[:, None, None]
        elif mask.ndim == 3:
            mask = mask.unflatten(0, (n_images, heads))
        total = mask if total is None else total + mask
    return total
