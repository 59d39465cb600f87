"""Glacier mapping from satellite images: monthly composites, model comparison, maps."""
