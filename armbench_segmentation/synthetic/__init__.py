"""Synthetic totes with known conditions and planted faults, in ARMBench's layout.

From plan to files: `planning` decides what each picture shows, `scenes` where its objects lie, `textures` and
`surfaces` what they look like from above, `totes` and `drawing` paint them, `outlines` turns masks into annotations,
`files` writes.
"""

from armbench_segmentation.synthetic.files import SynthReport, write_totes

__all__ = ["SynthReport", "write_totes"]
