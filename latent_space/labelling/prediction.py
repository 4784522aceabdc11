"""Predict the error of samples that nobody labelled, from the measured errors of labelled samples near them.

Four ways to learn compete on every data set: the mean of the nearest labelled samples, weighted by distance, for
several numbers of neighbours; ridge regression, which sees slow trends; their average; and the plain mean, which wins
where the latents say nothing. The one with the smallest cross-validated squared error predicts. Columns that are known
without a label, such as the brightness of a picture or the model's confidence, may stand beside the latents: then the
same learners also compete on both together. The interval is split-conformal on the cross-validated residuals, scaled
by how large residuals are nearby and by how far away the labelled samples are. Where every error is 0 or 1, what is
predicted is the chance of 1, and the interval is that of `chances`.

**Conventions**: higher = worse. Errors are (n,) with NaN where nothing is known. For a labelled sample the prediction
is the cross-validated one, which never saw its own error. Distances are Euclidean, in the space of the leading
principal components. Accuracy is cross-validated: no sample is judged by a prediction that it helped to make, nor by
an interval whose width it helped to choose; only the choice among the few learners has seen all. With fewer than 8
known errors the prediction is their mean and the interval their range. Results do not depend on the order of the rows.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for regression", JASA, 2018.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latent_space.labelling.accuracy import Accuracy, Floats, Indices, interval_ends, judged
from latent_space.labelling.chances import are_binary, chance_interval
from latent_space.labelling.order import group_codes, own_order
from latent_space.neighbors import checked_latents, find_neighbors

LEAST_KNOWN = 8
_N_FOLDS = 5
_N_NEIGHBORS = (3, 5, 10, 20, 40)
_N_COMPONENTS = 64
_WITH_COLUMNS = ", with what is known without labels"
_NAMES = {"mean": "the mean", "ridge": "ridge regression", "both": "ridge regression and the nearest labelled samples"}


@dataclass(frozen=True, eq=False)
class PredictedError:
    """Predicted error of every sample.

    Attributes
    ----------
    mean, low, high : (n,) float64 arrays
        The prediction and the ends of its 90 % interval, in the units of the errors. A chance may lie beyond 0 or 1,
        which keeps the order of those at the ends.
    accuracy : Accuracy
        Cross-validated.
    """

    mean: Floats
    low: Floats
    high: Floats
    accuracy: Accuracy

    def of(self, rows: Indices) -> "PredictedError":
        """Return that of some rows, in their order."""
        return PredictedError(self.mean[rows], self.low[rows], self.high[rows], self.accuracy)

    def where_known(self, errors: Floats) -> "PredictedError":
        """Return this with the errors (n,) that are not NaN in the place of predictions."""
        mean, low, high = (np.where(np.isfinite(errors), errors, own) for own in (self.mean, self.low, self.high))
        return PredictedError(mean, low, high, self.accuracy)


def predict_error(
    latents: npt.ArrayLike,
    errors: npt.ArrayLike,
    *,
    columns: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    random_state: int = 0,
) -> PredictedError:
    """Predict the error of every sample from the known errors of others.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    errors : (n,) array
        Higher = worse; NaN where unknown.
    columns : (n, n_columns) array, optional
        What else is known of every sample, finite; in any units.
    groups : (n,) array, optional
        Samples of equal value are alike (pictures of one scene, windows of one hour): none of them is used to judge
        another, so that the accuracy is that for new groups. With fewer than 5 groups it has no effect.
    random_state : int
        Seed of the folds.

    Returns
    -------
    PredictedError
        For every sample; for those with a known error without the help of it.

    Raises
    ------
    ValueError
        If no error is known, or the shapes do not fit.

    Examples
    --------
    >>> latents = np.repeat([[0.0], [9.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None]
    >>> errors = np.repeat([1.0, 5.0], 20)
    >>> errors[[0, 39]] = np.nan
    >>> predict_error(latents, errors).mean[[0, 39]].round(6).tolist()
    [1.0, 5.0]
    """
    points, values = checked_latents(latents), np.asarray(errors, np.float64)
    if values.shape != (len(points),):
        raise ValueError(f"errors must be one per sample, {len(points)}; got shape {values.shape}.")
    beside = np.empty((len(points), 0)) if columns is None else _standardised(columns, len(points))
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise ValueError("errors must have a finite value somewhere; got none. Without one, only coverage can select.")
    if len(known) < LEAST_KNOWN or np.ptp(values[known]) == 0:
        return _constant(values[known], len(points))
    from threadpoolctl import threadpool_limits

    order = own_order(points)
    place = np.argsort(order)
    with threadpool_limits(1, "blas"):  # more threads could round differently
        rows = np.sort(place[known])
        folds = _folds(
            None if groups is None else group_codes(groups, len(points))[order][rows], len(rows), random_state
        )
        components = leading_components(points[order])
        ordered = _learn(components, values[order], rows, folds)
        if beside.shape[1]:
            joined = _learn(np.hstack([components, beside[order]]), values[order], rows, folds)
            if joined.accuracy.r2 > ordered.accuracy.r2:
                learner = f"{joined.accuracy.learner}{_WITH_COLUMNS}"
                accuracy = dataclasses.replace(joined.accuracy, learner=learner)
                ordered = dataclasses.replace(joined, accuracy=accuracy)
    return ordered.of(place)


def _standardised(columns: npt.ArrayLike, n: int) -> Floats:
    """Return the columns that vary, each with mean 0, and a variance of 1 in total, as the latents have."""
    values = np.asarray(columns, np.float64)
    if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
        raise ValueError(f"columns must be finite, ({n}, n_columns), a row per sample; got shape {values.shape}.")
    deviation = values.std(axis=0)
    varies = deviation > 1e-12 * np.abs(values).max(axis=0, initial=0)
    scaled = (values[:, varies] - values[:, varies].mean(axis=0)) / deviation[varies]
    return np.asarray(scaled / np.sqrt(max(1, varies.sum())))


def leading_components(points: npt.NDArray[np.float32]) -> Floats:
    """Return the points in their at most 64 leading principal components, scaled to a mean variance of 1 in total."""
    from sklearn.decomposition import PCA

    scale = float(np.abs(points).max()) or 1.0
    centred = points.astype(np.float64) / scale
    centred -= centred.mean(axis=0)
    total = float(np.sqrt(np.square(centred).sum(axis=1).mean())) or 1.0
    if min(centred.shape) > _N_COMPONENTS:
        sample = centred[np.linspace(0, len(centred) - 1, min(len(centred), 5_000)).astype(int)]
        solver = "covariance_eigh" if centred.shape[1] <= 1_000 else "randomized"
        centred = PCA(_N_COMPONENTS, svd_solver=solver, random_state=0).fit(sample).transform(centred)
    return np.asarray(centred / total)


def _constant(known: Floats, n: int) -> PredictedError:
    """Predict the mean, where there is nothing to learn from."""
    nothing = Accuracy(len(known), _NAMES["mean"], np.nan, np.nan, np.nan, np.nan)
    return PredictedError(np.full(n, known.mean()), np.full(n, known.min()), np.full(n, known.max()), nothing)


def _folds(codes: Indices | None, n: int, random_state: int) -> Indices:
    """Return the number of the fold of every known sample, whole groups in one."""
    generator = np.random.default_rng(random_state)
    if codes is not None:
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        if len(first) >= _N_FOLDS:
            by_appearance = np.argsort(np.argsort(first))[inverse]
            return np.asarray(generator.permutation(np.arange(len(first)) % _N_FOLDS)[by_appearance])
    return generator.permutation(np.arange(n) % _N_FOLDS)


def _learn(points: Floats, values: Floats, known: Indices, folds: Indices) -> PredictedError:
    train, target = points[known], values[known]
    held_out: dict[str, Floats] = {}
    near, far = np.empty((0, 0), np.int64), np.empty((0, 0))
    for fold in range(_N_FOLDS):
        mine, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        found, distances = _nearest(train[others], train[mine])
        for name, prediction in _predictions(train[others], target[others], train[mine], found, distances).items():
            held_out.setdefault(name, np.empty(len(known)))[mine] = prediction
        if not near.size:
            near, far = np.empty((len(known), found.shape[1]), np.int64), np.empty((len(known), found.shape[1]))
        width = min(near.shape[1], found.shape[1])  # folds may differ by one sample
        near, far = near[:, :width], far[:, :width]
        near[mine], far[mine] = others[found[:, :width]], distances[:, :width]
    best = min(held_out, key=lambda name: (float(np.square(held_out[name] - target).mean()), name))
    residual = target - held_out[best]
    typical = float(np.median(far[:, -1]))
    spread = _spread(np.abs(residual), near, far, typical)
    scaled, in_words = residual / spread, _NAMES.get(best, f"the {best} nearest labelled samples")

    found, distances = _nearest(train, points)
    mean = _predictions(train, target, points, found, distances)[best]
    width = near.shape[1]
    around = _spread(np.abs(residual), found[:, :width], distances[:, :width], typical)
    mean[known], around[known] = held_out[best], spread
    accuracy = judged(target, held_out[best], scaled, folds, in_words)
    if best == "mean":  # the held-out means differ by fold, which ranks nothing
        accuracy = dataclasses.replace(accuracy, spearman=np.nan, auc=np.nan)
    if are_binary(target):
        low, high = chance_interval(target, held_out[best], mean)
    else:
        below, above = interval_ends(scaled)
        floor, ceiling = _bounds(target)
        low, high = np.maximum(mean + below * around, floor), np.minimum(mean + above * around, ceiling)
    return PredictedError(mean, np.minimum(low, mean), np.maximum(high, mean), accuracy)


def _nearest(train: Floats, queries: Floats) -> tuple[Indices, Floats]:
    """Return the nearest rows of `train` of every query, as many as a learner may ask for, and their distances."""
    graph = find_neighbors(queries, train, n_neighbors=max(_N_NEIGHBORS))
    return graph.indices, graph.distances.astype(np.float64)


def _predictions(train: Floats, target: Floats, queries: Floats, found: Indices, far: Floats) -> dict[str, Floats]:
    """Return what every learner predicts for the queries."""
    by_neighbors = {str(k): _weighted_mean(target[found[:, :k]], far[:, :k]) for k in _N_NEIGHBORS}
    ridge = _ridge(train, target, queries)
    both = (ridge + by_neighbors["10"]) / 2
    return {"mean": np.full(len(queries), target.mean()), **by_neighbors, "ridge": ridge, "both": both}


def _weighted_mean(values: Floats, distances: Floats) -> Floats:
    """Average over axis 1, the nearer the heavier, none without bound."""
    weights = 1 / (distances + 0.1 * float(np.median(distances)) + 1e-12)
    mean: Floats = (weights * values).sum(axis=1) / weights.sum(axis=1)
    return mean


def _ridge(train: Floats, target: Floats, queries: Floats) -> Floats:
    """Predict by ridge regression with the penalty that leaves the smallest leave-one-out error."""
    centre, offset = train.mean(axis=0), target.mean()
    u, s, vt = np.linalg.svd(train - centre, full_matrices=False)
    projected = u.T @ (target - offset)
    best, weights = np.inf, np.zeros(train.shape[1])
    for penalty in np.geomspace(1e-4, 1e3, 15) * len(train):
        shrink = np.square(s) / (np.square(s) + penalty)
        leverage = np.square(u) @ shrink + 1 / len(train)
        left_out = (target - offset - u @ (shrink * projected)) / (1 - leverage).clip(1e-3)
        if (loss := float(np.square(left_out).mean())) < best:
            best, weights = loss, vt.T @ (s / (np.square(s) + penalty) * projected)
    prediction: Floats = (queries - centre) @ weights + offset
    return prediction


def _spread(residual: Floats, near: Indices, far: Floats, typical: float) -> Floats:
    """Return how large a residual to expect: as nearby, shrunk to the overall mean, and more where labels are far."""
    overall = float(residual.mean()) or 1.0
    nearby = residual[near[:, :20]].mean(axis=1)
    remote = (far[:, -1] / typical).clip(0.5, 4) if typical > 0 else np.ones(len(far))
    spread: Floats = 0.5 * (nearby + overall) * np.sqrt(remote)
    return spread


def _bounds(target: Floats) -> tuple[float, float]:
    """Return what no error passes: 0 where none lies on its other side."""
    return (0.0 if target.min() >= 0 else -np.inf), (0.0 if target.max() <= 0 else np.inf)
