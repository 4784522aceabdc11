import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from anomaly_detection.knn import KNNDetector
from anomaly_detection.pca import PCADetector
from anomaly_detection.stored import load_detector, save_detector

ROWS = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
LATER = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)


def test_the_score_by_hand():
    detector = KNNDetector(n_neighbors=2, scaling="minmax").fit(
        np.array([[0.0], [4.0], [10.0]]), validation=(np.array([[5.0]]), None)
    )
    assert detector.reconstruct(np.array([[3.0]])).tolist() == [[2.0]]
    assert detector.decision_function(np.array([[3.0]])) == pytest.approx([0.01])
    assert detector.outputs(np.array([[3.0]])).residual.tolist() == [[pytest.approx(0.1)]]


@pytest.mark.parametrize("n_neighbors", [1, 5, 17])
def test_neighbours_are_scikit_learns(n_neighbors):
    detector = KNNDetector(n_neighbors=n_neighbors).fit(ROWS, validation=(LATER, None))
    scaled = detector.scaling_.apply(LATER.astype(np.float64))
    oracle = NearestNeighbors(n_neighbors=n_neighbors).fit(detector.references_)
    nearest = oracle.kneighbors(scaled, return_distance=False)
    expected = np.square(scaled - detector.references_[nearest].mean(axis=1)).mean(axis=1)
    assert np.allclose(detector.decision_function(LATER), expected, rtol=1e-9)


def test_what_lies_between_the_states_of_a_machine_is_found_where_a_cloud_finds_nothing():
    rng = np.random.default_rng(0)
    normal = np.repeat([[0.0, 0.0], [9.0, 9.0]], 300, axis=0) + rng.normal(size=(600, 2)) / 5
    between = np.full((20, 2), 4.5) + rng.normal(size=(20, 2)) / 5
    neighbours = KNNDetector().fit(normal, validation=(normal, None))
    cloud = PCADetector(statistic="t2").fit(normal, validation=(normal, None))
    assert neighbours.predict(between).all()
    assert cloud.predict(between).mean() < 0.2


def test_references_are_a_seeded_choice_of_normal_rows():
    labels = np.zeros(400, int)
    labels[:100] = 1
    one, same, other = (
        KNNDetector(max_references=50, random_state=seed).fit(ROWS, labels, validation=(LATER, None))
        for seed in (0, 0, 1)
    )
    assert one.references_.shape == (50, 4)
    assert np.array_equal(one.references_, same.references_)
    assert not np.array_equal(one.references_, other.references_)
    raw = one.scaling_.undo(one.references_)
    assert all(np.isclose(ROWS[100:], row, atol=1e-5).all(axis=1).any() for row in raw)


def test_fewer_references_than_neighbours_are_all_used():
    detector = KNNDetector(n_neighbors=9).fit(ROWS[:3], validation=(LATER, None))
    assert detector.n_usable == 3
    assert np.allclose(detector.reconstruct(LATER), ROWS[:3].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("window_size", [1, 6])
def test_the_graph_answers_as_the_detector(tmp_path, window_size):
    rows = (ROWS * [1, 5, 30, 1] + [0, 10, 101_325, 3]).astype(np.float32)
    detector = KNNDetector(window_size=window_size).fit(rows[:300])
    save_detector(detector, tmp_path)
    ours, stored = detector.outputs(rows[300:]), load_detector(tmp_path).outputs(rows[300:])
    for name in ("score", "residual", "latent", "prediction"):
        expected = getattr(ours, name)
        assert np.abs(getattr(stored, name) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be an integer of at least 1; got 0"),
        ({"max_references": 2.5}, r"max_references must be an integer of at least 1; got 2\.5"),
        ({"max_references": 3}, "max_references must be at least n_neighbors, 5; got 3"),
        ({"scaling": "max"}, "scaling must be one of standard, minmax, robust"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        KNNDetector(**settings).fit(ROWS)


def test_labels_in_every_window_leave_nothing_to_learn_from():
    labels = np.zeros(400, int)
    labels[::3] = 1
    with pytest.raises(ValueError, match="y must leave a window of 4 normal rows in a row to learn from; got none"):
        KNNDetector(window_size=4).fit(ROWS, labels)
