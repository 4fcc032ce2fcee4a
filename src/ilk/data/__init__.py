"""Images from anywhere: sources, decoding, and reading that survives bad files."""

from ilk.data.account import LeftOut, left_out, roots, unlabelled_because
from ilk.data.archive import Zip
from ilk.data.arrays import Arrays
from ilk.data.cache import cache_folder
from ilk.data.datasets import HuggingFace
from ilk.data.decode import decode, read_item
from ilk.data.facts import WithFacts, fact, fact_names
from ilk.data.file_times import file_times
from ilk.data.folder import Folder
from ilk.data.joined import Joined
from ilk.data.label_maps import LabelMaps, open_label_maps
from ilk.data.labelled import monitor_labels, pooled, with_labelled, with_table
from ilk.data.loose import Loose
from ilk.data.map_style import MapStyle
from ilk.data.masks import Masks, Scenery, open_masks
from ilk.data.memory import MAX_PIXELS, MEMORY
from ilk.data.open import open_source
from ilk.data.packing import Pack, Packed, Packing, pack
from ilk.data.parquet import Parquet
from ilk.data.reader import Bad, Reader
from ilk.data.scales import window_moments
from ilk.data.shards import Shards
from ilk.data.source import BadItem, Source, labels
from ilk.data.subset import Subset
from ilk.data.workers import default_workers

__all__ = [
    "MAX_PIXELS",
    "MEMORY",
    "Arrays",
    "Bad",
    "BadItem",
    "Folder",
    "HuggingFace",
    "Joined",
    "LabelMaps",
    "LeftOut",
    "Loose",
    "MapStyle",
    "Masks",
    "Pack",
    "Packed",
    "Packing",
    "Parquet",
    "Reader",
    "Scenery",
    "Shards",
    "Source",
    "Subset",
    "WithFacts",
    "Zip",
    "cache_folder",
    "decode",
    "default_workers",
    "fact",
    "fact_names",
    "file_times",
    "labels",
    "left_out",
    "monitor_labels",
    "open_label_maps",
    "open_masks",
    "open_source",
    "pack",
    "pooled",
    "read_item",
    "roots",
    "unlabelled_because",
    "window_moments",
    "with_labelled",
    "with_table",
]  # fmt: skip
