"""Optical flow: methods behind one seam (`methods`), and its storage in 8 bits (`quantise`)."""
