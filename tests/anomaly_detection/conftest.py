"""A small rig with labelled episodes, prepared; and a detector that learned from it, stored."""

import pytest


@pytest.fixture(scope="session")
def rig_csv(tmp_path_factory):
    """Two machines of 4,000 rows each with about 10 % anomalous rows, as a CSV."""
    from anomaly_detection.simulation import simulate_rig, write_simulation

    frame = simulate_rig(4000, n_machines=2, anomaly_rate=0.1, types=("SPIKE", "MULTI_SENSOR"), seed=1)
    return write_simulation(frame, tmp_path_factory.mktemp("rig") / "rig.csv")


@pytest.fixture(scope="session")
def prepared_rig(tmp_path_factory, rig_csv):
    """The same, prepared: train.csv, val.csv, test.csv, metadata.json."""
    from anomaly_detection.preparation import prepare

    folder = tmp_path_factory.mktemp("prepared") / "rig"
    prepare(rig_csv, folder, train_ratio=0.4, val_ratio=0.3, test_ratio=0.3)
    return folder


@pytest.fixture(scope="session")
def pca_model(tmp_path_factory, prepared_rig):
    """A stored PCA detector with windows of 5 rows."""
    from anomaly_detection import make_detector
    from anomaly_detection.parts import read_parts
    from anomaly_detection.training import train_detector

    folder = tmp_path_factory.mktemp("model") / "pca"
    detector = make_detector("pca", statistic="t2", window_size=5)
    train_detector(detector, read_parts(prepared_rig), folder, units={"power": "W"})
    return folder
