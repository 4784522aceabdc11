"""The commands of `armscope anomaly`, by what they work on; `cli` puts them together."""
