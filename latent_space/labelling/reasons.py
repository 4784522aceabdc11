"""Why a sample was picked, in plain words.

**Conventions**: percentages of samples are among those without a label. A metric whose higher values are better is told
in its own values, not in the turned ones.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from latent_space.labelling.prediction import PredictedError
from latent_space.labelling.strategies import Picks
from latent_space.labelling.target import Target
from latent_space.neighbors import Graph
from latent_space.selection import similarities


class Reasons:
    """What is known about every sample, to be told of the picked ones.

    Parameters
    ----------
    graph : Graph
        Neighbours of all samples.
    labelled : (n,) bool array
        Which have a label.
    predicted : PredictedError, optional
        Of all samples; where the interval has no width, the error is not predicted but measured.
    target : Target
        What the prediction is of.
    """

    def __init__(
        self, graph: Graph, labelled: npt.NDArray[np.bool_], predicted: PredictedError | None, target: Target
    ) -> None:
        self._similar = similarities(graph)
        self._labelled, self._target = labelled, target
        self._predicted = predicted
        if predicted is not None:
            self._ordered = np.sort(predicted.mean[~labelled])

    def in_words(self, picks: Picks, ids: Sequence[str] | npt.NDArray[np.object_]) -> list[str]:
        """Return a reason for every pick; `ids` names all samples."""
        words, leader = [], ""
        for row, why in picks:
            if why == "group":
                words.append(f"belongs to the group of {leader}")
                continue
            leader = str(ids[row])
            words.append(self._told(row, why))
        return words

    def _told(self, row: int, why: str) -> str:
        around = self._around(row)
        failing = self._failing(row)
        told = {
            "failure": failing,
            "coverage": around,
            "kcenter": f"far from everything labelled or picked before; {around}",
            "typical": f"in the middle of a dense region; {around}",
            "uncertain": self._uncertain(row),
            "random": "drawn at random",
            "floor": "picked to fill a floor",
        }[why]
        return told if why == "failure" or not failing else f"{told}; {failing}"

    def _around(self, row: int) -> str:
        mine = self._similar.indices[self._similar.indptr[row] : self._similar.indptr[row + 1]]
        others = mine[mine != row]
        n, n_labelled = len(others), int(self._labelled[others].sum())
        if n == 0:
            return "stands for itself alone"
        known = {0: "none of them labelled", n: "all of them labelled"}.get(
            n_labelled, f"{n_labelled} of them labelled"
        )
        return f"stands for {n} samples like it, {known}"

    def _failing(self, row: int) -> str:
        if self._predicted is None or np.ptp(self._ordered) == 0:
            return ""
        mean = float(self._predicted.mean[row])
        n = len(self._ordered)
        above = 100 * int(np.searchsorted(self._ordered, mean)) / n
        below = 100 * (n - int(np.searchsorted(self._ordered, mean, side="right"))) / n
        # Rounded down: nothing is worse than all, itself among them.
        rank = f"worse than {int(above)} %" if above >= below else f"better than {int(below)} %"
        is_measured = self._predicted.low[row] == self._predicted.high[row]
        told = self._target.measured(mean) if is_measured else self._target.predicted(mean)
        return f"{told}, {rank} of the unlabelled"

    def _uncertain(self, row: int) -> str:
        if self._predicted is None:
            return "nothing is predicted for it"
        return self._target.between(float(self._predicted.low[row]), float(self._predicted.high[row]))
