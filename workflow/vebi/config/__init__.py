"""The configuration: one typed source for every key, its type, its range and its meaning."""

from vebi.config.parse import parse_config
from vebi.config.whole import Config

__all__ = ["Config", "parse_config"]
