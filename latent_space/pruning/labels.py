"""Labels that are probably wrong, and how hard each sample is, from a probe that never saw the sample's own label.

Where there are classes, insights and the pruning judge labels by the same `doubt_labels`; pruning also drops what the
insights of the whole run call mislabelled, such as objects that the model contradicts.

**Conventions**: probabilities are (n, n_classes), from five folds of logistic regressions on the latents, classes in
ascending order. Hardness is the length of the difference between the probabilities and the label (EL2N), in
[0, sqrt(2)], higher = harder.

References
----------
Paul, Ganguli and Dziugaite, "Deep learning on a data diet", NeurIPS 2021 (EL2N).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph
from latent_space.pruning.probe import classifier, one_quiet_thread
from latent_space.selection import similarities

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_N_FOLDS = 5
_PRIOR = 1e-3  # votes that every class has to begin with
_LEAST_OF_BEST = 0.2  # a label less probable than this share of the best one is doubtful
_AT_MOST = 5_000  # samples that one fold's probe learns from
_MOST_CLASSES = 1_000  # probabilities are a column per class


def class_codes(labels: npt.ArrayLike, n: int) -> tuple[Codes, npt.NDArray[Any]]:
    """Return each sample's class as a number, and the classes.

    Raises
    ------
    ValueError
        If there is not one label per sample, one is missing, or there are more than 1,000 classes.
    """
    import pandas as pd

    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"labels must be one per sample, {n}; got shape {array.shape}.")
    if pd.isna(array).any():
        raise ValueError(f"labels must be known for every sample; got none in row {pd.isna(array).argmax()}.")
    classes, codes = np.unique(array.astype(str) if array.dtype.kind == "O" else array, return_inverse=True)
    if len(classes) > _MOST_CLASSES:
        raise ValueError(f"labels must have at most {_MOST_CLASSES:,} different values; got {len(classes):,}.")
    return codes.astype(np.int64), classes


def class_probabilities(latents: npt.ArrayLike, codes: Codes, *, random_state: int = 0) -> Floats:
    """Return how probable each class is for each sample, by what is learned from the other folds.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    codes : (n,) int array
        Classes 0..n_classes - 1.
    random_state : int
        Seed of the folds.
    """
    points, n_classes = np.asarray(latents, np.float64), int(codes.max(initial=0)) + 1
    probabilities = np.full((len(codes), n_classes), 1 / n_classes)
    generator = np.random.default_rng(random_state)
    fold = np.empty(len(codes), np.int64)
    mixed = generator.permutation(len(codes))
    fold[mixed[np.argsort(codes[mixed], kind="stable")]] = np.arange(len(codes)) % _N_FOLDS
    for one in range(_N_FOLDS):
        own, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        if len(others) > _AT_MOST:
            others = np.sort(generator.choice(others, _AT_MOST, replace=False))
        if not len(own) or len(np.unique(codes[others])) < 2:
            continue
        probabilities[own] = 0
        with one_quiet_thread():
            probe = classifier().fit(points[others], codes[others])
            probabilities[np.ix_(own, probe.classes_)] = probe.predict_proba(points[own])
    return probabilities


def hardness(probabilities: Floats, codes: Codes) -> Floats:
    """Return how far the probabilities are from the label.

    Examples
    --------
    >>> hardness(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0])).round(3).tolist()
    [0.0, 1.414]
    """
    return np.asarray(np.linalg.norm(probabilities - np.eye(probabilities.shape[1])[codes], axis=1))


def likely_classes(probabilities: Floats, codes: Codes) -> Codes:
    """Return the class that each sample seems to be of: another than its label only where that is far more probable.

    Probabilities are divided by how frequent the class is, or a rare class would seem to be wrong labels of others.

    Examples
    --------
    >>> likely_classes(np.array([[0.6, 0.4], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]]), np.array([1, 1, 0, 0])).tolist()
    [1, 0, 1, 0]
    """
    balanced = _balanced(probabilities, codes)
    return np.where(_share_of_best(balanced, codes) < _LEAST_OF_BEST, balanced.argmax(axis=1), codes)


def doubt_labels(probabilities: Floats, graph: Graph, codes: Codes) -> tuple[Codes, Floats]:
    """Judge labels by the probe and the neighbours alike: the one judgement of insights and of pruning.

    Returns
    -------
    likely : (n,) int array
        The class that each sample seems to be of.
    doubts : (n,) array
        From 0, where the label is the most probable class, towards 1.
    """
    both = (probabilities + neighbor_votes(graph, codes)) / 2
    return likely_classes(both, codes), 1 - _share_of_best(_balanced(both, codes), codes)


def _balanced(probabilities: Floats, codes: Codes) -> Floats:
    return np.asarray(probabilities / np.bincount(codes, minlength=probabilities.shape[1]).clip(1))


def _share_of_best(balanced: Floats, codes: Codes) -> Floats:
    return np.asarray(balanced[np.arange(len(codes)), codes] / balanced.max(axis=1))


def neighbor_votes(graph: Graph, codes: Codes) -> Floats:
    """Return how probable each class is for each sample by its neighbours' labels, near ones counting more."""
    similar = similarities(graph)
    similar.setdiag(0)
    votes = np.asarray(similar @ np.eye(int(codes.max(initial=0)) + 1)[codes]) + _PRIOR
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))
