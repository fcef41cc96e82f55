"""Fusion of the two streams' scores: one weight for all classes (late) or one pair per class (adaptive)."""
