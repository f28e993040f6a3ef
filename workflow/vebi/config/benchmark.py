"""The benchmark over many networks: which method is ahead of which."""

from typing import Annotated

from pydantic import Field

from vebi.catalogue.known import KNOWN
from vebi.config.base import OneOf, Strict
from vebi.record import paragraph


class BenchmarkConfig(Strict):
    """Methods of this and other libraries, scored by ten measures on every network."""

    methods: list[Annotated[str, OneOf(KNOWN)]] = Field(
        list(KNOWN),
        min_length=1,
        description=paragraph("""
            by name; those of other libraries need `captum`, `zennit` and `pytorch_grad_cam`
            installed. Scored on the images of `interventions`, next to controls that know nothing of
            the network or the answer: [docs/benchmark.md](../docs/benchmark.md)
        """),
    )
