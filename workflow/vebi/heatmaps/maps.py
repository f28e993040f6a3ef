"""From backward signals and activations to maps in [0, 1]: the same for every method."""

from torch import Tensor, linalg, where


def map_of_signal(signal: Tensor) -> Tensor:
    """Signals (..., C, H, W) as maps (..., H, W): positive part, L2 norm over the channels, min-max."""
    return scale_to_unit(linalg.vector_norm(signal.clamp(min=0), dim=-3))


def scale_to_unit(maps: Tensor) -> Tensor:
    """Each map (..., H, W) shifted and scaled to [0, 1]; a constant map becomes zero."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    spread = high - low
    return where(spread > 0, (maps - low) / spread, 0.0)


def merge(maps: Tensor) -> Tensor:
    """One map per image from the maps (N, k, H, W) of its features: their maximum at each pixel."""
    return maps.amax(1) if maps.shape[1] else maps.new_zeros(maps.shape[0], *maps.shape[2:])
