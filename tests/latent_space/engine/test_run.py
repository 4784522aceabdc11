"""Runs that are interrupted, resumed and replaced."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from latent_space.engine.exploration import explore
from latent_space.engine.run import _borders


class TestResume:
    SLOW = """
    import time

    @tensorleap_metadata("slow")
    def slow(sample_id, response):
        with open(HERE / "ran.log", "a") as file:
            file.write(sample_id + "\\n")
        time.sleep(0.01)
        return 1
    """

    def killed(self, folder, out, after):
        """Start the run in a process of its own and kill it once some chunks are written."""
        code = f"from latent_space import explore; explore({str(folder)!r}, out={str(out)!r}, maps=False, jobs=1)"
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        while len(list(out.glob(".work/*/[a-z]*-*-*"))) < after and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() != 0, "it finished before it was killed"

    @pytest.mark.slow
    def test_goes_on_where_a_killed_run_stopped(self, write_integration, tmp_path, run):
        folder, out = write_integration(self.SLOW, change={'"training": 13': '"training": 300'}), tmp_path / "run"
        self.killed(folder, out, after=8)
        before = len((folder / "ran.log").read_text().split())
        (folder / "ran.log").unlink()
        resumed = run(folder, out, resume=True)
        again = (folder / "ran.log").read_text().split()
        assert len(resumed) == 311
        assert len(set(again)) < 311 - 100, "the chunks that were done are not run again"
        assert before >= 128
        fresh = run(folder, tmp_path / "fresh")
        assert resumed.latents.tobytes() == fresh.latents.tobytes()
        pd.testing.assert_frame_equal(resumed.samples, fresh.samples)

    @pytest.mark.slow
    def test_starts_afresh_when_the_integration_changed(self, write_integration, tmp_path, run):
        folder, out = write_integration(self.SLOW, change={'"training": 13': '"training": 300'}), tmp_path / "run"
        self.killed(folder, out, after=8)
        file = folder / "leap_integration.py"
        file.write_text(
            file.read_text().replace("        return 1", "        return 2").replace("    return 1\n", "    return 2\n")
        )
        resumed = run(folder, out, resume=True)
        assert set(resumed.samples["meta_slow"]) == {2.0}

    @pytest.mark.slow
    def test_a_complete_run_is_returned_as_it_is(self, write_integration, tmp_path, run):
        folder, out = write_integration(), tmp_path / "run"
        first = run(folder, out, limit=3)
        stamp = (out / "samples.parquet").stat().st_mtime_ns
        second = run(folder, out, limit=3, resume=True)
        assert (out / "samples.parquet").stat().st_mtime_ns == stamp
        pd.testing.assert_frame_equal(first.samples, second.samples)
        assert len(run(folder, out, limit=2, resume=True)) == 6

    @pytest.mark.slow
    def test_changed_data_are_noticed(self, write_integration, tmp_path, run):
        folder, out, data = write_integration(), tmp_path / "run", tmp_path / "data"
        data.mkdir()
        (data / "a.txt").write_text("a")
        run(folder, out, limit=1, data=data)
        stamp = (out / "samples.parquet").stat().st_mtime_ns
        (data / "a.txt").write_text("b and more")
        run(folder, out, limit=1, data=data, resume=True)
        assert (out / "samples.parquet").stat().st_mtime_ns > stamp


@pytest.mark.slow
def test_a_run_replaces_the_files_of_an_earlier_one(write_integration, tmp_path, run):
    folder, out = write_integration(), tmp_path / "run"
    run(folder, out)
    (out / "insights.json").write_text("{}")
    (out / "notes.txt").write_text("mine")
    run(folder, out, limit=1)
    assert len(list((out / "thumbnails").iterdir())) == 3
    assert not (out / "insights.json").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.slow
class TestFinished:
    MAPS = ("umap.png", "tsne.png", "report.html")

    def test_maps_that_are_missing_are_made_and_nothing_else(self, write_integration, tmp_path, run):
        folder, out = write_integration(), tmp_path / "run"
        run(folder, out)
        stamp = (out / "latents.npy").read_bytes(), (out / "thumbnails" / "training-0.png").stat().st_mtime_ns
        assert not (out / "report.html").exists()
        resumed = explore(folder, out=out, jobs=1, resume=True)
        assert "umap_x" in resumed.samples
        assert all((out / name).is_file() for name in self.MAPS)
        after = (out / "latents.npy").read_bytes(), (out / "thumbnails" / "training-0.png").stat().st_mtime_ns
        assert after == stamp
        assert not (out / ".work").exists()

    def test_a_report_that_is_missing_is_made(self, write_integration, tmp_path):
        folder, out = write_integration(), tmp_path / "run"
        explore(folder, out=out, jobs=1)
        (out / "report.html").unlink()
        explore(folder, out=out, jobs=1, resume=True)
        assert (out / "report.html").is_file()

    def test_a_run_killed_before_its_report_is_not_finished(self, write_integration, tmp_path, monkeypatch):
        folder, out = write_integration(), tmp_path / "run"

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("latent_space.engine.run.write_report", killed)
            explore(folder, out=out, jobs=1)
        assert "finished" not in json.loads((out / "run.json").read_text())
        explore(folder, out=out, jobs=1, resume=True)
        assert (out / "report.html").is_file()
        assert json.loads((out / "run.json").read_text())["finished"]
        assert not (out / ".work").exists()

    def test_a_rerun_killed_while_it_replaces_leaves_no_run_that_calls_itself_finished(
        self, write_integration, tmp_path, monkeypatch, run
    ):
        folder, out = write_integration(), tmp_path / "run"
        run(folder, out)

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("latent_space.engine.run.write_extras", killed)
            run(folder, out, limit=2)
        assert not (out / "run.json").exists()
        assert len(run(folder, out, limit=2, resume=True)) == 6

    def test_maps_of_an_earlier_run_do_not_stay(self, write_integration, tmp_path, run):
        folder, out = write_integration(), tmp_path / "run"
        explore(folder, out=out, jobs=1)
        run(folder, out, limit=2)
        assert not any((out / name).exists() for name in self.MAPS)


@pytest.mark.slow
def test_a_changed_settings_file_of_the_integration_is_noticed(write_integration, tmp_path, run):
    folder, out = (
        write_integration(change={").mean(1)": ").mean(1) * float((HERE / 'factor.json').read_text())"}),
        (tmp_path / "run"),
    )
    (folder / "factor.json").write_text("1")
    before = run(folder, out, limit=2).samples["metric_error"]
    (folder / "factor.json").write_text("10")
    after = run(folder, out, limit=2, resume=True).samples["metric_error"]
    pd.testing.assert_series_equal(after, 10 * before)


def test_chunks_hold_all_samples_in_whole_batches():
    for n in (1, 16, 17, 256, 257, 1000):
        borders = _borders(n, 16)
        assert [k for start, end in borders for k in range(start, end)] == list(range(n))
        assert all(start % 16 == 0 for start, _ in borders)
    assert _borders(0, 16) == []
    assert _borders(2000, 16)[:20] == _borders(1000, 16)[:20], "a limit moves no border"
    assert max(end - start for start, end in _borders(1000, 100)) == 100
