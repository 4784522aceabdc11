"""Runs that are interrupted, resumed and replaced."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest


class TestResume:
    SLOW = """
    import time

    @tensorleap_metadata("slow")
    def slow(sample_id, response):
        with open(HERE / "ran.txt", "a") as file:
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
        self.killed(folder, out, after=2)
        before = len((folder / "ran.txt").read_text().split())
        (folder / "ran.txt").unlink()
        resumed = run(folder, out, resume=True)
        again = (folder / "ran.txt").read_text().split()
        assert len(resumed) == 311
        assert len(set(again)) < 311 - 100, "the chunks that were done are not run again"
        assert before >= 128
        fresh = run(folder, tmp_path / "fresh")
        assert resumed.latents.tobytes() == fresh.latents.tobytes()
        pd.testing.assert_frame_equal(resumed.samples, fresh.samples)

    @pytest.mark.slow
    def test_starts_afresh_when_the_integration_changed(self, write_integration, tmp_path, run):
        folder, out = write_integration(self.SLOW, change={'"training": 13': '"training": 300'}), tmp_path / "run"
        self.killed(folder, out, after=2)
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
