import numpy as np

from latent_space.pruning.probe import class_score, loss_score


def test_classes():
    latents = np.repeat([[0.0, 1.0], [9.0, 1.0]], 10, axis=0)
    labels = np.repeat(["a", "b"], 10)
    assert class_score(latents, labels, latents, labels) == 1
    # One class to learn from: right for it, wrong for the other; the mean is over classes, not samples.
    assert class_score(latents[:10], labels[:10], latents[:15], labels[:15]) == 0.5


def test_losses():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(200, 3))
    losses = latents[:, 0] * 3 + 1
    assert loss_score(latents[:100], losses[:100], latents[100:], losses[100:]) > 0.95
    assert loss_score(latents[:100], -losses[:100], latents[100:], losses[100:]) < -0.95
    assert loss_score(latents[:1], losses[:1], latents[100:], losses[100:]) == 0
    assert loss_score(latents[:100], np.ones(100), latents[100:], losses[100:]) == 0
    assert np.isnan(loss_score(latents[:100], losses[:100], latents[100:], np.ones(100)))
    assert loss_score(np.ones((50, 2)), losses[:50], np.ones((50, 2)), losses[50:100]) == 0
