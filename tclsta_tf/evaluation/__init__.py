"""Figures of merit of scores, and protocols over several splits."""
