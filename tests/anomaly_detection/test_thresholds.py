"""Thresholds by hand, against brute force, and through JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.thresholds import (
    THRESHOLDS,
    BestF1,
    ExtremeValue,
    FalsePositiveRate,
    Fixed,
    Percentile,
    ScaledMaximum,
    choose_threshold,
    make_threshold,
    parse_threshold,
    threshold_from_dict,
)

REQUIRED = {"fixed": {"limit": 3.0}}
SCORES = st.lists(st.integers(-5, 12), min_size=1, max_size=60)


def labelled(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.1
    return rng.exponential(size=n) + 3 * labels, labels.astype(int)


def make(name):
    return make_threshold(name, **REQUIRED.get(name, {}))


@pytest.mark.parametrize("name", THRESHOLDS)
class TestEveryThreshold:
    def test_learns_a_finite_value_and_flags_what_is_above(self, name):
        scores, labels = labelled()
        threshold = make(name)
        assert threshold.fit(scores, labels) is threshold
        assert isinstance(threshold.value_, float)
        value = threshold.value_
        flags = threshold.predict([value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf)])
        assert flags.tolist() == [0, 1, 0]
        assert flags.dtype == np.int64

    def test_comes_back_exactly_from_json(self, name):
        scores, labels = labelled()
        threshold = make(name).fit(scores / 3, labels)
        copy = threshold_from_dict(json.loads(json.dumps(threshold.to_dict(), allow_nan=False)))
        assert type(copy) is type(threshold)
        assert copy.value_ == threshold.value_
        assert copy.to_dict() == threshold.to_dict()
        assert copy == threshold

    def test_unfitted_has_no_value_and_says_so(self, name):
        scores, labels = labelled()
        fresh = make(name).fit(scores, labels).unfitted()
        assert threshold_from_dict(fresh.to_dict()).to_dict()["value"] is None
        with pytest.raises(ValueError, match=rf"'{name}' must be fitted first; call fit"):
            _ = fresh.value_

    def test_leaves_its_input_alone(self, name):
        scores, labels = labelled()
        scores.flags.writeable = labels.flags.writeable = False
        make(name).fit(scores, labels)

    @pytest.mark.parametrize(
        ("scores", "labels", "message"),
        [
            ([], None, "at least one row"),
            ([[1.0]], None, "one-dimensional"),
            ([1.0, np.nan], None, "scores must be finite; got nan in row 1"),
            ([np.inf, 1.0], None, "got inf in row 0"),
            ([1.0, 2.0], [0], r"labels must be \(2,\), one per score; got shape \(1,\)"),
            ([1.0, 2.0], [0, 2], "labels must be 0 or 1; got .*2"),
        ],
    )
    def test_rejects_what_is_no_score_or_label(self, name, scores, labels, message):
        with pytest.raises(ValueError, match=message):
            make(name).fit(scores, labels)


@pytest.mark.parametrize("name", sorted(set(THRESHOLDS) - {"fixed"}))
def test_every_rule_that_learns_needs_normal_rows(name):
    with pytest.raises(ValueError, match=r"labels must hold .*got only 1"):
        make(name).fit([1.0, 2.0], [1, 1])


@pytest.mark.parametrize("name", sorted(set(THRESHOLDS) - {"best_f1"}))
class TestEveryRuleForNormalScores:
    def test_looks_at_normal_rows_only(self, name):
        scores, labels = labelled()
        with_labels = make(name).fit(scores, labels)
        assert with_labels.value_ == make(name).fit(scores[labels == 0]).value_

    @pytest.mark.parametrize("n", [1, 2, 5000])
    def test_survives_constant_scores(self, name, n):
        value = make(name).fit(np.full(n, 3.0)).value_
        assert value == pytest.approx(4.0 if name == "scaled_maximum" else 3.0, rel=1e-5)


def test_percentile_is_numpys():
    scores = np.arange(101.0)
    assert Percentile().fit(scores).value_ == 95
    assert Percentile(percentile=12.5).fit(scores).value_ == 12.5


def test_the_95th_percentile_caps_precision_and_f1_of_a_perfect_detector():
    """With 5 % anomalies, all above every normal score: precision .513, F1 .678; hence not the default."""
    scores = np.arange(20_000.0)
    labels = (scores >= 19_000).astype(int)
    result = evaluate_scores(labels, scores, threshold=Percentile().fit(scores, labels).value_)
    assert result["roc_auc"] == 1
    assert result["recall"] == 1
    assert result["precision"] == pytest.approx(0.05 / (0.05 + 0.05 * 0.95), abs=1e-12)
    assert round(result["precision"], 3) == 0.513
    assert round(result["f1"], 3) == 0.678
    best = evaluate_scores(labels, scores, threshold=choose_threshold(labels).fit(scores, labels).value_)
    assert best["f1"] == 1


@pytest.mark.parametrize("labels", [None, [0, 0], [0, 1], [1, 1]])
def test_a_fixed_limit_is_the_same_whatever_the_rows(labels):
    assert Fixed(3.73).fit([1.0, 200.0], labels).value_ == 3.73
    assert Fixed(0).fit([1.0, 200.0], labels).value_ == 0.0


@given(scores=SCORES, rate=st.floats(0, 0.999))
def test_false_positive_rate_is_never_exceeded_and_not_wasted(scores, rate):
    threshold = FalsePositiveRate(rate=rate).fit(scores)
    assert threshold.predict(scores).mean() <= rate
    next_lower = max(score for score in scores if score <= threshold.value_)
    assert np.mean(np.asarray(scores) >= next_lower) > rate - 1e-9


def test_false_positive_rate_lies_between_scores_so_that_rounding_flips_none():
    assert FalsePositiveRate(rate=0.25).fit([1.0, 2.0, 3.0, 5.0]).value_ == 4
    assert FalsePositiveRate(rate=0.0).fit([1.0, 5.0]).value_ == pytest.approx(5, rel=1e-5)
    assert FalsePositiveRate(rate=0.0).fit([1.0, 5.0]).value_ > 5 + 1e-6


@pytest.mark.parametrize("rate", [0.01, 0.07, 0.29, 0.57])
def test_false_positive_rate_is_reached_where_it_can_be(rate):
    scores = np.random.default_rng(0).permutation(100).astype(float)
    assert FalsePositiveRate(rate=rate).fit(scores).predict(scores).mean() == rate


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-4, 8), st.integers(0, 1)), min_size=2, max_size=40))
def test_best_f1_is_the_best_of_all(rows):
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    if labels.min() == labels.max():
        with pytest.raises(ValueError, match=f"got only {labels[0]}"):
            BestF1().fit(scores, labels)
        return
    threshold = BestF1().fit(scores, labels)
    every = [f1_score(labels, scores > value, zero_division=0) for value in np.arange(-4.5, 9)]
    assert f1_score(labels, threshold.predict(scores), zero_division=0) == pytest.approx(max(every), abs=1e-12)


def test_best_f1_lies_halfway_between_two_scores_and_prefers_fewer_alarms():
    assert BestF1().fit([1.0, 2.0, 4.0, 5.0], [0, 0, 1, 1]).value_ == 3
    assert BestF1().fit([0.0, 1.0, 2.0, 3.0], [1, 0, 0, 1]).value_ == 2.5, "F1 2/3 at 2.5 and at -.5"


def test_best_f1_flags_everything_where_that_is_best():
    threshold = BestF1().fit([5.0, 1.0, 1.0], [0, 1, 1])
    assert threshold.predict([5.0, 1.0]).tolist() == [1, 1]
    assert threshold.value_ == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("low", [1.0, 1e308, -1e308, 5e-324, 0.1])
def test_best_f1_separates_neighbouring_floats(low):
    high = np.nextafter(low, np.inf)
    threshold = BestF1().fit([low, high], [0, 1])
    assert threshold.predict([low, high]).tolist() == [0, 1]


def test_best_f1_does_not_overflow():
    assert BestF1().fit([-1.7e308, 1.7e308], [0, 1]).value_ == 0


def test_best_f1_needs_labels():
    with pytest.raises(ValueError, match=r"'best_f1'; got none. Without them choose 'false_positive_rate'"):
        BestF1().fit([1.0, 2.0])


def test_scaled_maximum_by_hand():
    assert ScaledMaximum(factor=2, quantile=1).fit([1.0, 3.0]).value_ == 6
    assert ScaledMaximum().fit(np.arange(1001.0)).value_ == pytest.approx(999 * 4 / 3)
    with pytest.raises(ValueError, match=r"at least 0 for 'scaled_maximum'; got -1"):
        ScaledMaximum().fit([-2.0, -1.0])


@pytest.mark.parametrize("risk", [1e-3, 1e-4])
@pytest.mark.parametrize("kind", ["exponential", "normal", "uniform", "student"])
def test_extreme_value_extrapolates_the_tail(kind, risk):
    """Against the true quantile, beyond what 20,000 rows can show by counting."""
    scipy_stats = pytest.importorskip("scipy.stats")
    law = {
        "exponential": scipy_stats.expon(),
        "normal": scipy_stats.norm(),
        "uniform": scipy_stats.uniform(),
        "student": scipy_stats.t(4),
    }[kind]
    values = [
        ExtremeValue(risk=risk).fit(law.rvs(20_000, random_state=np.random.default_rng(seed))).value_
        for seed in range(5)
    ]
    assert np.mean(values) == pytest.approx(law.isf(risk), rel=0.1)


@given(scores=SCORES)
def test_extreme_value_of_a_short_tail_is_the_maximum(scores):
    assert ExtremeValue().fit(scores).value_ == max(scores)


def test_extreme_value_where_exceeding_the_level_is_rare_enough():
    """Nearly all scores are equal; 10 different ones of 200,000 are rarer than the risk."""
    scores = np.concatenate([np.zeros(200_000), np.arange(1.0, 11)])
    assert ExtremeValue(risk=1e-3).fit(scores).value_ == 0


def test_choose_threshold_follows_the_labels():
    assert choose_threshold([0, 1, 0]) == BestF1()
    for labels in (None, [0, 0], [1, 1], []):
        assert choose_threshold(labels) == FalsePositiveRate(rate=0.01)


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("percentile", {"percentile": 101}, r"percentile must lie in \[0, 100\]; got 101"),
        ("percentile", {"percentile": float("nan")}, "percentile must lie"),
        ("false_positive_rate", {"rate": 1}, r"rate must lie in \[0, 1\); got 1"),
        ("extreme_value", {"risk": 0.03}, r"risk must lie in \(0, 0.02\), 1 - level; got 0.03"),
        ("extreme_value", {"level": 1}, r"level must lie in \(0, 1\); got 1"),
        ("scaled_maximum", {"factor": 0.9}, "factor must be a finite number of at least 1; got 0.9"),
        ("scaled_maximum", {"quantile": 0}, r"quantile must lie in \(0, 1\]; got 0"),
        ("fixed", {"limit": -1}, "limit must be a finite number of at least 0; got -1"),
        ("fixed", {"limit": float("inf")}, "limit must be a finite number of at least 0; got inf"),
        ("fixed", {"limit": float("nan")}, "limit must be a finite number of at least 0; got nan"),
        ("fixed", {}, "'fixed' must come with its number, as in fixed=3.73; got none"),
        ("best_f1", {"rate": 0.1}, r"settings of 'best_f1' must be among \[\]; got \['rate'\]"),
        ("percentile", {"_value": 1}, r"must be among \['percentile'\]; got \['_value'\]"),
        ("p95", {}, "threshold must be one of best_f1, .*scaled_maximum; got 'p95'"),
    ],
)
def test_settings_outside_their_range_are_refused(name, setting, message):
    with pytest.raises(ValueError, match=message):
        make_threshold(name, **setting)


@pytest.mark.parametrize("value", ["95", None, True, [95]])
def test_settings_must_be_numbers(value):
    with pytest.raises(TypeError, match="percentile must be a number; got"):
        Percentile(percentile=value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": float("nan")}, "value must be a finite number or null; got nan"),
        ({"value": "3"}, "got '3'"),
        ({"value": True}, "got True"),
        ({"name": "secret"}, "got 'secret'"),
        ({"name": ["percentile"]}, "must have a name and settings of its own; got .*percentile"),
        ({"settings": {"name": 5}}, "must have a name and settings of its own; got .percentile. with .*name"),
        ({"settings": 5}, "must have the keys name, settings and value"),
        ({"more": 5}, "must have the keys name, settings and value; got .'more'"),
    ],
)
def test_a_damaged_description_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        threshold_from_dict(Percentile().fit([1.0]).to_dict() | change)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("best_f1", {"name": "best_f1", "settings": {}}),
        ("percentile=99", {"name": "percentile", "settings": {"percentile": 99.0}}),
        ("false_positive_rate=.001", {"name": "false_positive_rate", "settings": {"rate": 0.001}}),
        ("fixed=3.73", {"name": "fixed", "settings": {"limit": 3.73}}),
        ("extreme_value=1e-5", {"name": "extreme_value", "settings": {"risk": 1e-5, "level": 0.98}}),
    ],
)
def test_a_threshold_is_parsed_from_its_name_and_a_number(text, expected):
    assert parse_threshold(text).to_dict() == expected | {"value": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("median", "threshold must be one of best_f1, .*; got 'median'"),
        ("percentile=high", "as in percentile=99; got 'percentile=high'"),
        ("percentile=101", r"got 'percentile=101': percentile must lie in \[0, 100\]"),
        ("fixed", "'fixed' must come with its number, as in fixed=3.73; got none"),
        ("fixed=-1", "got 'fixed=-1': limit must be a finite number of at least 0"),
        ("best_f1=3", "got 'best_f1=3': best_f1 has no setting"),
    ],
)
def test_a_threshold_that_cannot_be_parsed_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_threshold(text)
