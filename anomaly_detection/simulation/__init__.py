"""Machines that fail on purpose: telemetry with the label and the type of every anomalous row.

`simulate_rig` is an industrial rig of four sensors, `simulate_arm` a robot arm of four axes. Both plan their anomalies
as episodes (`episodes`), return one table (`table`) and repeat for the same seed. Nothing heavy is imported here.
"""

from anomaly_detection.simulation.arm import simulate_arm
from anomaly_detection.simulation.rig import CYCLIC, DRIFT, MULTI_SENSOR, SPIKE, simulate_rig
from anomaly_detection.simulation.table import write_simulation

__all__ = ["CYCLIC", "DRIFT", "MULTI_SENSOR", "SPIKE", "simulate_arm", "simulate_rig", "write_simulation"]
