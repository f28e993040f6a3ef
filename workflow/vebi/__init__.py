"""Visual explanation by interpretation: reproduce, check and use it on your own networks."""

__version__ = "0.1.0"
