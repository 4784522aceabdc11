"""Train a YOLOv5-seg network and export it: the only rooms that need torch."""
