import pytest

from anomaly_detection.config import load_config
from latent_space.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path):
    """Settings with the given keys under `anomaly`."""
    return lambda **section: Settings("anomaly", 5, tmp_path, {"data": "d", "model": "m", **section})


def test_paths_are_those_of_the_settings_file_and_all_else_has_a_default(settings, tmp_path):
    config = load_config(settings())
    assert (config.data, config.model) == (tmp_path / "d", tmp_path / "m")
    assert (config.seed, config.window_size, config.kind) == (5, 1, "reconstruction")
    assert config.channels is None


def test_what_is_null_is_left_to_the_default(settings):
    assert load_config(settings(stride=None, context=None, channels=["a", 1])).channels == ("a", "1")


def test_the_projects_own_settings_are_fine(monkeypatch):
    for name in ("ARMSCOPE_DATA", "ARMSCOPE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARMSCOPE_TASK", "anomaly")
    config = load_config(load_settings())
    assert sum(config.fractions.values()) == pytest.approx(1)
    assert config.max_samples["training"] == 2000


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"widow_size": 3}, r"unknown key anomaly.widow_size; known are channels, context, data"),
        ({"data": None}, r"anomaly.data must be a path in settings.yaml; got none"),
        ({"kind": "classifier"}, r"anomaly.kind must be one of reconstruction, forecast; got 'classifier'"),
        ({"window_size": 0}, r"anomaly.window_size must be an integer of at least 1; got 0"),
        ({"stride": 2.5}, r"anomaly.stride must be an integer of at least 1; got 2.5"),
        ({"context": True}, r"anomaly.context must be an integer of at least 1; got True"),
        ({"max_samples": {"train": 3}}, r"anomaly.max_samples must name training, validation.*; got 'train'"),
        ({"max_samples": {"test": -1}}, r"anomaly.max_samples.test must be an integer of at least 1; got -1"),
        ({"fractions": {"training": 0.5}}, r"anomaly.fractions.training must sum to 1; got 0.5"),
    ],
)
def test_what_makes_no_sense_is_named(settings, section, message):
    with pytest.raises(ValueError, match=message):
        load_config(settings(**section))
