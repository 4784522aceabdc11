"""Selections of samples as other tools read them: one module per format, one function to call.

`export_selection` looks at the samples once (`entries` where they are pictures, `time_ranges` where they are stretches
of a recording) and hands them to the format's own writer.
"""

from latent_space.exports.export import FORMATS, Format, check_target, export_selection

__all__ = ["FORMATS", "Format", "check_target", "export_selection"]
