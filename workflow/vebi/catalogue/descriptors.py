"""The descriptors of images: of VEBI's text, of its authors' code, and of the McGill reproductions.

CONTRIBUTING.md says how to add one.
"""

from vebi.catalogue.record import by_name, look_up
from vebi.record import record


@record
class Descriptor:
    """What is measured of each channel of which layers.

    Args:
        name: in the configuration and in descriptor files.
        label: for people, in figures.
        statistic: responses (N, C, ...) to numbers (N, C), as text.
        layers: which of a network's layers are measured, as text.
        norm_power: the power of the L2 norm that the statistic is; None: it is none.
    """

    name: str
    label: str
    statistic: str
    layers: str
    norm_power: float | None = None

    def gives(self, other: "Descriptor") -> bool:
        """Whether `other` follows from this one alone, without the network."""
        if self == other:
            return True
        powers = self.norm_power, other.norm_power
        return self.layers == other.layers and None not in powers


DESCRIPTORS: dict[str, Descriptor] = by_name(
    (
        Descriptor(
            name="vebi_text",
            label="L2 norm (VEBI's text)",
            statistic="vebi.descriptors.statistics:l2",
            layers="vebi.descriptors.layers:all_layers",
            norm_power=1.0,
        ),
        Descriptor(
            name="vebi_code",
            label="squared L2 norm (VEBI's code)",
            statistic="vebi.descriptors.statistics:squared_l2",
            layers="vebi.descriptors.layers:all_layers",
            norm_power=2.0,
        ),
        # Those of the McGill reproductions.
        Descriptor(
            name="mcgill_matconvnet",
            label="spectral norm (McGill)",
            statistic="vebi.descriptors.statistics:spectral",
            layers="vebi.descriptors.layers:convolutions_and_relus",
        ),
        Descriptor(
            name="mcgill_keras",
            label="L2 norm after ReLU (McGill)",
            statistic="vebi.descriptors.statistics:l2",
            layers="vebi.descriptors.layers:relus_after_convolutions",
            norm_power=1.0,
        ),
    )
)


def get_descriptor(name: str) -> Descriptor:
    """The descriptor of this name; VebiError for an unknown one."""
    return look_up("descriptor", name, DESCRIPTORS)
