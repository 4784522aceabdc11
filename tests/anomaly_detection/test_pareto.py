"""The generalised Pareto fit against scipy's."""

import numpy as np
import pytest
from scipy.stats import genpareto

from anomaly_detection.pareto import MIN_SHAPE, fit_generalised_pareto


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2, 0.7])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 250.0])
def test_is_at_least_as_likely_as_scipys_fit(shape, scale, seed):
    sample = genpareto.rvs(shape, scale=scale, size=800, random_state=np.random.default_rng(seed))
    ours = fit_generalised_pareto(sample)
    theirs_shape, _, theirs_scale = genpareto.fit(sample, floc=0)
    likelihood = genpareto.logpdf(sample, ours[0], scale=ours[1]).sum()
    if theirs_shape > MIN_SHAPE:
        assert likelihood >= genpareto.logpdf(sample, theirs_shape, scale=theirs_scale).sum() - 1e-4
    assert ours[0] == pytest.approx(shape, abs=0.15)
    assert ours[1] == pytest.approx(scale, rel=0.2)


def test_the_scale_follows_the_unit():
    sample = np.random.default_rng(0).exponential(size=300)
    shape, scale = fit_generalised_pareto(sample)
    assert fit_generalised_pareto(1000 * sample) == pytest.approx((shape, 1000 * scale), rel=1e-6)


@pytest.mark.parametrize("sample", [[2.0], [2.0, 2.0, 2.0], [1.0, 1e6], [1e-12, 1.0]])
def test_survives_degenerate_tails(sample):
    shape, scale = fit_generalised_pareto(np.array(sample))
    assert np.isfinite([shape, scale]).all()
    assert scale > 0
    assert shape >= MIN_SHAPE - 1e-6


@pytest.mark.parametrize("sample", [np.linspace(0.001, 1, 1000), np.full(3, 2.0)])
def test_a_tail_that_ends_sharply_gets_the_lowest_shape(sample):
    assert fit_generalised_pareto(sample)[0] == pytest.approx(-0.5, abs=1e-6)  # a uniform tail has the shape -1


@pytest.mark.parametrize("sample", [[], [0.0, 1.0], [-1.0], [np.nan], [np.inf]])
def test_rejects_what_is_no_excess(sample):
    with pytest.raises(ValueError, match=r"excesses must be finite and greater than 0"):
        fit_generalised_pareto(np.array(sample))
