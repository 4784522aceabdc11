"""`armscope anomaly`: make, prepare, train on, evaluate and score sensor series."""

import typer

from anomaly_detection.commands import data, models

app = typer.Typer(no_args_is_help=True, help="The anomaly detectors: sensor data, training, evaluation, scoring.")
prepare = typer.Typer(no_args_is_help=True, help="Bring sensor data into one form, split for training.")
prepare.command("csv")(data.prepare_csv)
app.add_typer(prepare, name="prepare")
for command in (data.check, data.simulate, models.train, models.evaluate, models.score, models.benchmark):
    app.command()(command)
