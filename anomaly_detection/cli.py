"""`armscope anomaly`: make, prepare, train on, evaluate and score sensor series."""

import typer

from anomaly_detection.commands import data, models

app = typer.Typer(no_args_is_help=True, help="The anomaly detectors: sensor data, training, evaluation, scoring.")
for command in (data.check, data.simulate, models.train, models.evaluate, models.score):
    app.command()(command)
