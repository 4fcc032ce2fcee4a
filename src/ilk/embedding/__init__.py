"""Vectors of images: computed, stored, compared and measured without labels."""

from ilk.embedding.batches import Batch, embed, embed_batches, moved
from ilk.embedding.features import cached
from ilk.embedding.looked import Looked
from ilk.embedding.looks import ImageLook, Looks, drawn_items, look
from ilk.embedding.neighbours import (
    knn_accuracy,
    largest,
    leave_one_out,
    nearest,
    nearest_in_blocks,
    nearest_others,
    others,
    vote,
    votes,
)
from ilk.embedding.places import PlaceEmbeddings, read_places
from ilk.embedding.predicted import Predicted, read_predictions
from ilk.embedding.quality import alignment, feature_std, lidar, rankme, rankme_without
from ilk.embedding.readable import OnBad, embed_readable
from ilk.embedding.record import Embeddings
from ilk.embedding.stored import left_behind, read_embeddings
from ilk.embedding.table import embed_to_table, predict_to_table

__all__ = [
    "Batch", "Embeddings", "ImageLook", "Looked", "Looks", "OnBad", "PlaceEmbeddings",
    "Predicted", "alignment", "cached", "drawn_items", "embed", "embed_batches",
    "embed_readable", "embed_to_table", "feature_std", "knn_accuracy", "largest",
    "leave_one_out", "left_behind", "lidar", "look", "moved", "nearest", "nearest_in_blocks",
    "nearest_others", "others", "predict_to_table", "rankme", "rankme_without",
    "read_embeddings", "read_places", "read_predictions", "vote", "votes",
]  # fmt: skip
