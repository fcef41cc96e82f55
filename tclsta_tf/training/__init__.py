"""Training on one device or several: strategies, losses, schedules, checkpoints and the loop itself."""
