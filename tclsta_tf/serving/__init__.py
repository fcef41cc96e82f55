"""The trained classifier as a SavedModel."""
