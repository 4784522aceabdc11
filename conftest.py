"""For every test and doctest: no telemetry, and one thread per numeric library, set before any library is loaded."""

import os

from armscope.testing import environment

os.environ.update(environment(os.environ))

# Importing it registers the integration, and a process has room for one: its tests use processes of their own.
collect_ignore = ["armbench_segmentation/integration.py"]
