"""Label Studio, time series: `tasks.json` with the rows themselves, and `labeling_config.xml`.

Published layout: https://labelstud.io/tags/timeseries. **Conventions**: a task shows the stretch with as much before
and after; its times are ISO 8601 with microseconds. A stretch that the model found anomalous is a prediction, an
instant where its start is unknown. All tasks show the same channels; a recording that lacks one has nulls.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from latent_space.exports.label_studio import FILE, task_data, write_config
from latent_space.exports.recordings import Recordings
from latent_space.exports.time_ranges import TimeRange
from latent_space.run_folder import write_json

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%f"
_CONTROL, _OBJECT, _ANOMALY = "label", "series", "anomaly"


def write(folder: Path, ranges: list[TimeRange], *, data: Path | None, labels: list[str]) -> None:
    """Write stretches of recordings.

    Raises
    ------
    ValueError
        If no recording has the rows of a stretch.
    """
    recordings = Recordings(data)
    tables = [recordings.around(one) for one in ranges]
    lost = [one.sample_id for one, table in zip(ranges, tables, strict=True) if table is None]
    if lost:
        raise ValueError(
            f"format label-studio must have the recording's rows; {data} has none for {len(lost):,}, such as "
            f"{lost[0]!r}. Name the folder of the CSV files, or take the format csv."
        )
    found = [table for table in tables if table is not None]
    channels = list(dict.fromkeys(str(name) for table in found for name in table.columns if name != "time"))
    tasks = []
    for number, (one, table) in enumerate(zip(ranges, found, strict=True), 1):
        rows: dict[str, Any] = {"time": table["time"].dt.strftime(TIME_FORMAT).tolist()}
        rows |= {name: table[name].tolist() if name in table else [None] * len(table) for name in channels}
        tasks.append(_task(number, one, rows))
    write_config(folder, _view(channels, [_ANOMALY, *(label for label in labels if label != _ANOMALY)]))
    write_json(folder / FILE, tasks)


def _view(channels: list[str], labels: list[str]) -> Xml.Element:
    view = Xml.Element("View")
    Xml.SubElement(view, "Header", {"value": "$title"})
    control = Xml.SubElement(view, "TimeSeriesLabels", {"name": _CONTROL, "toName": _OBJECT})
    for name in labels:
        Xml.SubElement(control, "Label", {"value": name})
    shown = {"name": _OBJECT, "valueType": "json", "value": "$rows", "timeColumn": "time", "timeFormat": TIME_FORMAT}
    series = Xml.SubElement(view, "TimeSeries", shown)
    for name in channels:
        Xml.SubElement(series, "Channel", {"column": name, "legend": name})
    return view


def _task(number: int, one: TimeRange, rows: dict[str, Any]) -> dict[str, Any]:
    start, end = (None if time is None else time.strftime(TIME_FORMAT) for time in (one.start, one.end))
    whose = "" if one.series is None else f"{one.series}: "
    data = task_data(
        title=f"{whose}{start} to {end}" if start else f"{whose}up to {end}",
        rows=rows,
        sample_id=one.sample_id,
        split=one.split,
        start=start,
        end=end,
        loss=one.loss,
        reason=one.reason,
    )
    if not one.is_anomaly:
        return {"id": number, "data": data}
    region = {
        "id": f"{number}-1",
        "type": "timeserieslabels",
        "from_name": _CONTROL,
        "to_name": _OBJECT,
        "value": {"start": start or end, "end": end, "instant": start is None, "timeserieslabels": [_ANOMALY]},
    }
    return {"id": number, "data": data, "predictions": [{"model_version": "armscope", "result": [region]}]}
