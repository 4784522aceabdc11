"""CSV: `selection.csv`, a row per sample in the order of the selection.

**Conventions**: UTF-8, a header, commas, quotes where needed; an unknown value is an empty cell. Times are ISO 8601.
"""

from pathlib import Path

from latent_space.exports.pictures import Pictures
from latent_space.exports.selected import Selected
from latent_space.exports.time_ranges import TimeRange

FILE = "selection.csv"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection; CSV never takes the pictures along."""
    import pandas as pd

    rows = [
        {
            "rank": rank,
            "sample_id": entry.sample_id,
            "split": entry.split,
            "file_name": entry.name,
            "width_px": entry.width,
            "height_px": entry.height,
            "loss": entry.loss,
            "n_found": len(entry.boxes),
            "reason": entry.reason,
        }
        for rank, entry in enumerate(selected.entries, 1)
    ]
    table = pd.DataFrame(rows).astype({"width_px": "Int64", "height_px": "Int64"})
    table.to_csv(folder / FILE, index=False)


def write_ranges(folder: Path, ranges: list[TimeRange], series_name: str) -> None:
    """Write stretches of recordings."""
    import pandas as pd

    rows = [
        {
            "rank": rank,
            "sample_id": one.sample_id,
            "split": one.split,
            series_name: one.series,
            "start": None if one.start is None else one.start.isoformat(),
            "end": one.end.isoformat(),
            "loss": one.loss,
            "reason": one.reason,
        }
        for rank, one in enumerate(ranges, 1)
    ]
    pd.DataFrame(rows).to_csv(folder / FILE, index=False)
