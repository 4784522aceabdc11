"""Binds the integration of the configured task to Tensorleap; run as a script, it tests that integration.

The task comes from `settings.yaml`, overridden by ARMSCOPE_TASK; a task is one plain import below.
"""

import os

os.environ.setdefault("TL_DISABLE_ANALYTICS", "1")

from latent_space.settings import load_settings

task = load_settings().task
if task == "segmentation":
    from armbench_segmentation.integration import describe_instances as describe_instances
    from armbench_segmentation.integration import integration_test, preprocess
elif task == "anomaly":
    from anomaly_detection.integration import integration_test, preprocess

__all__ = ["integration_test", "preprocess"]

if __name__ == "__main__":
    for responses in preprocess():
        if responses.state.name != "unlabeled":
            integration_test(responses.sample_ids[0], responses)
