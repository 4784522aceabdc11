import pytest

from latent_space.settings import load_settings


@pytest.fixture
def settings_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("task: segmentation\nseed: 3\nsegmentation:\n  data: totes\n  model: m.onnx\n")
    return file


@pytest.fixture(autouse=True)
def no_overrides(monkeypatch):
    for name in ("ARMSCOPE_TASK", "ARMSCOPE_DATA", "ARMSCOPE_MODEL"):
        monkeypatch.delenv(name, raising=False)


def test_paths_are_relative_to_the_file(settings_file):
    settings = load_settings(settings_file)
    assert settings.task == "segmentation"
    assert settings.seed == 3
    assert settings.path("data") == settings_file.parent / "totes"
    assert settings.path("images") is None


def test_the_environment_wins_and_is_relative_to_the_working_directory(settings_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARMSCOPE_DATA", "elsewhere")
    monkeypatch.setenv("ARMSCOPE_MODEL", str(tmp_path / "other.onnx"))
    settings = load_settings(settings_file)
    assert settings.path("data") == tmp_path / "elsewhere"
    assert settings.path("model") == tmp_path / "other.onnx"


def test_an_unknown_task_is_refused(settings_file, monkeypatch):
    monkeypatch.setenv("ARMSCOPE_TASK", "cooking")
    with pytest.raises(ValueError, match=r"task must be one of segmentation, anomaly; got 'cooking'"):
        load_settings(settings_file)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "must be valid YAML"), ("- 1", "must hold a mapping; got list")]
)
def test_a_malformed_file_is_named(tmp_path, text, message):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_settings(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No settings file at .*nothing\.yaml"):
        load_settings(tmp_path / "nothing.yaml")
