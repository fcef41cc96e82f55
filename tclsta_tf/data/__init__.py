"""From TFRecords to batches of clips."""
