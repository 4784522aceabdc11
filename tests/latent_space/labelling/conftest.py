"""Samples whose error lies where one can say: on one side of the first feature."""

import numpy as np
import pandas as pd
import pytest

from latent_space.population import Population


@pytest.fixture(scope="session")
def failing_side():
    """Latents (300, 4), and errors that are large where the first feature is above 1."""
    generator = np.random.default_rng(5)
    latents = generator.normal(size=(300, 4)).astype(np.float32)
    return latents, 3.0 * (latents[:, 0] > 1) + generator.gamma(1, 0.1, 300)


@pytest.fixture
def population(failing_side):
    """Half training, a quarter validation, a quarter unlabelled."""
    latents, errors = failing_side
    split = np.array(["training", "validation", "training", "unlabeled"])[np.arange(300) % 4]
    loss = np.where(split == "unlabeled", np.nan, errors)
    samples = pd.DataFrame(
        {
            "sample_id": [f"sample {k}" for k in range(300)],
            "split": split,
            "loss": loss,
            "meta_scene": np.arange(300) // 8,
            "meta_colour": np.array(["blue", "yellow", "blue", "blue", "yellow", "blue"])[np.arange(300) % 6],
            "meta_class": np.where(latents[:, 1] > 0, "object", "tote"),
            "metric_quality": -loss,
            "metric_empty": np.nan,
        }
    )
    run = {"task": "made up", "metrics": {"quality": "Upward", "empty": "Upward"}, "splits": {}}
    return Population(samples, latents, run=run)
