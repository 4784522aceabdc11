"""Score a stream: rows that arrive in pieces get the scores they would get together.

**Conventions**: as `Detector.decision_function`: one score per row, causal, padded on the left with the very first
row. Machines are apart: each has a past of its own.
"""

import numpy as np

from anomaly_detection.base import Detector
from anomaly_detection.rows import Rows, as_rows


class StreamScorer:
    """A detector, and the last rows of each machine; where it has a baseline, their last scores, too.

    Parameters
    ----------
    detector : Detector
        Fitted or loaded.

    Examples
    --------
    >>> from anomaly_detection import make_detector
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> detector = make_detector("pca", window_size=5).fit(rows)
    >>> stream = StreamScorer(detector)
    >>> pieces = [stream.score(rows[:1]), stream.score(rows[1:60]), stream.score(rows[60:])]
    >>> bool(np.allclose(np.concatenate(pieces), detector.decision_function(rows)))
    True
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._past: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # rows, scores of windows

    def score(self, X: Rows, machine: str = "") -> np.ndarray:
        """Score the next rows of a machine: (n_steps,), float64.

        Parameters
        ----------
        X : array or DataFrame of shape (n_steps, n_channels)
            They follow the rows of the machine's last call.
        machine : str
            Whose rows they are.

        Raises
        ------
        ValueError
            If X is not what the detector takes; the machine's past then stays as it was.
        """
        rows = as_rows(X, self.detector.channels_, named=self.detector.named_)
        past_rows, past_scores = self._past.get(machine, (rows[:0], np.empty(0)))
        rows = np.concatenate([past_rows, rows])
        scores = np.concatenate([past_scores, self.detector.window_scores(rows)[len(past_rows) :]])
        baseline = self.detector.baseline_
        n_scores = 0 if baseline is None else baseline.size - 1
        self._past[machine] = _newest(rows, self.detector.window_size - 1), _newest(scores, n_scores)
        return (scores if baseline is None else baseline.relative(scores))[len(past_scores) :]

    def forget(self, machine: str = "") -> None:
        """Start anew: the next rows of the machine have no past."""
        self._past.pop(machine, None)


def _newest(values: np.ndarray, n: int) -> np.ndarray:
    """Copy the last n, or all where they are fewer: a slice would keep the rest in memory."""
    return values[max(0, len(values) - n) :].copy()
