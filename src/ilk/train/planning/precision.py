"""In which kind of numbers a processor trains."""

from dataclasses import replace

from lightning_fabric import Fabric

from ilk.networks import fast_in_bfloat16
from ilk.networks.backbone import backbone_without_weights, recorded_options
from ilk.train.assemble import named_backbone
from ilk.train.devices import Precision, device_of, has_bfloat16, launch_fabric
from ilk.train.planning.choices import network_for, with_network
from ilk.train.planning.facts import Facts
from ilk.train.planning.survey import PHOTO
from ilk.train.settings import Settings


def planned_fabric(asked: Settings) -> tuple[Fabric, Precision]:
    """A launched Fabric and its precision, decided where it is open; errors as below."""
    return launch_fabric(with_precision(asked))


def with_precision(asked: Settings) -> Settings:
    """Settings in bfloat16, where it is open and the processor is faster in it.

    Args:
        asked: as a person gave them.

    Raises:
        UserError: the device is not there, or a setting of the network is wrong.
    """
    if asked.precision != "auto" or device_of(asked) != "cpu" or not has_bfloat16():
        return asked
    # The network does not depend on the images.
    row = network_for(Facts(images=0, side=PHOTO, device="cpu"))
    decided = with_network(asked, row, PHOTO)
    size = decided.image_size or PHOTO
    network = backbone_without_weights(
        named_backbone(decided),
        image_size=size,
        channels=asked.channels,
        options=recorded_options(asked.backbone_options, size),
    )
    return replace(asked, precision="bf16-mixed") if fast_in_bfloat16(network) else asked
