"""What is predicted of samples without a label: an error in the units of a measure, or the chance that one fails.

**Conventions**: errors are higher = worse; those of a measure whose higher values are better have its sign turned. Of a
measure that is 0 or 1 for every sample the error is 1 where the sample fails and 0 where it does not, so that what is
predicted is a chance of failure, and all that fail are failures, however many.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.labelling.accuracy import FAILURE_SHARE
from latent_space.measures import Measure
from latent_space.population import Population

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A measure with the words for its errors.

    Attributes
    ----------
    measure : Measure
    is_binary : bool
        Whether it is 0 or 1 for every sample.
    """

    measure: Measure
    is_binary: bool = False

    @classmethod
    def of(cls, population: Population, measure: Measure) -> "Target":
        """Return the target of a measure, which is binary where all of its values are 0 or 1."""
        known = measure.errors(population.samples)
        known = np.abs(known[np.isfinite(known)])
        return cls(measure, bool(len(known)) and bool(np.isin(known, (0, 1)).all()))

    def errors(self, samples: pd.DataFrame) -> Floats:
        """Return one error per sample, NaN where there is none."""
        errors = self.measure.errors(samples)
        return errors + 1 if self.is_binary and not self.measure.higher_is_worse else errors

    @property
    def label(self) -> str:
        """The measure's name in words."""
        return self.measure.label

    @property
    def failures(self) -> str:
        """Which samples are failures.

        Examples
        --------
        >>> Target(Measure("loss", True)).failures, Target(Measure("metric_correct", False), True).failures
        ('worst 15 % by loss', 'correct = 0')
        """
        if self.is_binary:
            return f"{self.label} = {int(self.measure.higher_is_worse)}"
        return f"worst {100 * FAILURE_SHARE:.0f} % by {self.label}"

    def predicted(self, error: float) -> str:
        """Tell a predicted error.

        Examples
        --------
        >>> Target(Measure("metric_f1", False)).predicted(-0.81)
        'predicted f1 0.81'
        >>> Target(Measure("metric_correct", False), True).predicted(0.254)
        'predicted chance of failure 25 %'
        """
        told = f"chance of failure {_percent(error)}" if self.is_binary else self.measured(error)
        return f"predicted {told}"

    def measured(self, error: float) -> str:
        """Tell a known error, in the measure's own values."""
        return f"{self.label} {self._own(error)}"

    def between(self, low: float, high: float) -> str:
        """Tell an interval of errors."""
        if self.is_binary:
            return f"its chance of failure may lie anywhere from {_percent(low)} to {_percent(high)}"
        ends = (low, high) if self.measure.higher_is_worse else (high, low)
        return f"its {self.label} may lie anywhere from {self._own(ends[0])} to {self._own(ends[1])}"

    def _own(self, error: float) -> str:
        if not self.measure.higher_is_worse:
            error = 1 - error if self.is_binary else -error
        return f"{error + 0.0:.3g}"  # no -0


def _percent(share: float) -> str:
    """Return a share in percent, clipped to what a chance can be."""
    percent = 100 * min(max(share, 0.0), 1.0)
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"
