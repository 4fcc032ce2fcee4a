"""Images made ready once: smaller, upright, in sRGB, in one file; everything else is kept."""

from ilk.data.packing.opening import open_packs
from ilk.data.packing.prepare import Packing, Prepared, prepared
from ilk.data.packing.remarks import WORDS
from ilk.data.packing.source import Pack
from ilk.data.packing.writing import Packed, pack

__all__ = [
    "WORDS",
    "Pack",
    "Packed",
    "Packing",
    "Prepared",
    "open_packs",
    "pack",
    "prepared",
]
