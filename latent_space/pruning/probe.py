"""A small model on the latents that stands in for training the network again.

Where samples have classes it is a logistic regression, judged by its accuracy, the mean over the classes. Elsewhere it
predicts each sample's loss, by the average of a ridge regression and the 10 nearest samples, judged by how well it
ranks the samples (Spearman's correlation with the true losses).

**Conventions**: both scores are at most 1, higher = better; guessing is 0 for losses, 1 / n_classes for classes. A part
with one class predicts that class. Features are scaled by their standard deviation in the part that is learned from.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating[Any]]

_STRENGTH = 0.1  # inverse of the regularisation; weak enough for thousands of samples, strong enough for dozens
_TOLERANCE = 1e-3
_ALPHAS = tuple(np.geomspace(1e-1, 1e4, 6))
_N_NEIGHBORS = 10


@contextmanager
def one_quiet_thread() -> Iterator[None]:
    """Keep numeric libraries to one thread, which is the fastest here and rounds alike everywhere, and their warnings.

    Of many fits some do not converge, and that is good enough; it need not be said of each.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def classifier() -> Any:
    """Return an untrained logistic regression on scaled features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, tol=_TOLERANCE, max_iter=300))


def class_score(latents: Points, labels: npt.NDArray[Any], held_out: Points, truth: npt.NDArray[Any]) -> float:
    """Return the accuracy on held-out samples of a classifier that learned from others, the mean over the classes.

    Parameters
    ----------
    latents, held_out : (n, n_features), (m, n_features) arrays
        Learned from, and judged on.
    labels, truth : (n,), (m,) arrays
        Their classes.

    Examples
    --------
    >>> held_out, truth = np.array([[0.1], [0.2], [2.0]]), np.array(["a", "a", "b"])
    >>> class_score(np.array([[0.0], [1.0]]), np.array(["a", "b"]), held_out, truth)
    1.0
    """
    predicted = np.full(len(truth), labels[0], labels.dtype)
    if len(np.unique(labels)) > 1:
        with one_quiet_thread():
            predicted = classifier().fit(latents, labels).predict(held_out)
    right = predicted == truth
    return float(np.mean([right[truth == one].mean() for one in np.unique(truth)]))


def loss_score(latents: Points, losses: Floats, held_out: Points, truth: Floats) -> float:
    """Return the rank correlation of held-out losses with what is predicted from others.

    Of ranks, because a part that leans to hard samples predicts higher losses for all, which misplaces none of them.

    Parameters
    ----------
    latents, held_out : (n, n_features), (m, n_features) arrays
        Learned from, and judged on.
    losses, truth : (n,), (m,) arrays
        Their losses, finite.

    Returns
    -------
    float
        Spearman's correlation, in [-1, 1]; 0 where all predictions are equal, NaN where all held-out losses are.

    Examples
    --------
    >>> points = np.arange(100.0)[:, None]
    >>> loss_score(points[::2], points[::2, 0], points[1::2], points[1::2, 0]) > 0.99
    True
    """
    from scipy.stats import rankdata

    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan")
    if len(losses) < 2 or np.ptp(losses) == 0:
        return 0.0
    predicted = _predicted_losses(latents, losses, held_out)
    if np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(predicted), rankdata(truth))[0, 1])


def _predicted_losses(latents: Points, losses: Floats, held_out: Points) -> Floats:
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(latents.astype(np.float64))
    known, new = scaler.transform(latents.astype(np.float64)), scaler.transform(held_out.astype(np.float64))
    nearest = KNeighborsRegressor(min(_N_NEIGHBORS, len(losses)), weights="distance", algorithm="brute")
    with one_quiet_thread():
        predictions = [model.fit(known, losses).predict(new) for model in (RidgeCV(_ALPHAS), nearest)]
    return np.asarray(np.mean(predictions, axis=0))
