"""For every test and doctest: no telemetry, and one thread per numeric library, set before any library is loaded."""

import os

from armscope.testing import environment

os.environ.update(environment(os.environ))

# Importing one registers it, and a process has room for one: their tests use processes of their own.
collect_ignore = ["armbench_segmentation/integration.py", "anomaly_detection/integration.py"]
