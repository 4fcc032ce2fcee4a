"""Frozen, versioned procedures: an encoder and images in, answers out."""
