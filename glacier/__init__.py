"""Glacier mapping from satellite images: monthly composites and model comparison."""
