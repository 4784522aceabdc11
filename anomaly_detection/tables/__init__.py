"""Tables of sensor readings in files: found, understood, read whole or in chunks, repaired, and every repair counted.

`series.read_series` is the door for what fits into memory, `chunks.iterate_table` for what does not.
"""
