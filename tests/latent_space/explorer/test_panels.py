"""The lists beside and below the maps in a real browser: filters, table, findings, queues, instances."""

import numpy as np
import pytest

from latent_space.explorer import write_report

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"
SELECTED = "[...document.querySelectorAll('.grid-row')].map(row => Number(row.dataset.row))"


def test_filters_hide_and_tell(silent):
    samples = silent.population.samples
    silent.click_on('[data-pane="filters"]')
    silent.run("document.querySelector('[data-column=\"metric_iou\"]').scrollIntoView()")
    silent.wait_for("document.querySelector('[data-column=\"metric_iou\"] .bound')")
    silent.choose('[data-column="metric_iou"] .bound', "0.5")
    n = int((samples["metric_iou"] >= 0.5).sum())
    assert silent.text("#listed") == f"{n} of 400 samples pass the filters"
    assert silent.run("Number(document.querySelector('.plot').dataset.drawn)") == n
    silent.choose('[data-column="meta_note"] input', "OF 3")
    both = (samples["metric_iou"] >= 0.5) & samples["meta_note"].str.contains("of 3")
    assert silent.text("#listed").startswith(f"{both.sum()} of 400")
    silent.click_on('[data-column="is_outlier"] input', 0)
    both &= samples["is_outlier"]
    assert silent.text("#listed").startswith(f"{both.sum()} of 400")
    silent.click_on(".stick button")
    assert silent.text("#listed") == "400 samples"


def test_a_range_is_drawn_on_a_histogram(silent):
    silent.click_on('[data-pane="filters"]')
    silent.wait_for("document.querySelector('[data-column=\"loss\"] .brush')")
    left, top, width, _ = silent.box('[data-column="loss"] .brush')
    silent.drag([(left + 0.5 * width, top + 9), (left + 0.7 * width, top + 9), (left + width + 20, top + 9)])
    loss = silent.population.samples["loss"]
    low, high = np.percentile(loss.dropna(), [2, 98])
    n = int((loss >= low + (high - low) / 2).sum())
    assert abs(int(silent.text("#listed").split()[0]) - n) <= 3
    assert silent.text('[data-column="loss"] .state').startswith("≥ ")
    silent.click_on('[data-column="loss"] .x')
    assert silent.text("#listed") == "400 samples"


def test_the_table_is_linked_and_sorted(silent):
    samples = silent.population.samples
    silent.click_on('[data-pane="table"]')
    order = samples["loss"].sort_values(ascending=False, kind="stable").index
    assert silent.run(SELECTED)[:5] == order[:5].tolist()
    silent.click_on('.grid-head [title="Sort by loss"]')
    assert silent.run(SELECTED)[:3] == samples["loss"].sort_values(kind="stable").index[:3].tolist()
    silent.click_on(".grid-row", 1)
    assert silent.text("#details .id") == samples["sample_id"][silent.run(SELECTED)[1]]
    silent.key("Escape")
    silent.run("document.querySelector('.grid-rows').focus()")
    for key in ("ArrowDown", "ArrowDown", " ", "Enter"):
        silent.key(key)
    assert silent.text("#listed").startswith("1 selected")
    assert silent.run("document.querySelectorAll('.grid-row[aria-selected=\"true\"]').length") == 1
    silent.click_on(".chooser summary")
    n = silent.run("document.querySelectorAll('.grid-head > span').length")
    silent.click_on(".choices input", 0)
    assert abs(silent.run("document.querySelectorAll('.grid-head > span').length") - n) == 1


def test_insights_and_clusters_highlight_their_samples(silent):
    assert silent.run("document.querySelector('.finding .title').textContent") == "<b>Worst</b>"
    assert "note < 7" in silent.text("#findings")
    assert "p = 0.004" in silent.text("#findings")
    silent.click_on(".finding")
    assert silent.text("#listed").startswith("3 selected")
    assert set(silent.chosen()["sample_ids"]) == {"s20", HOSTILE, "s99"}
    assert silent.run("document.querySelector('.finding').getAttribute('aria-pressed')") == "true"
    silent.click_on(".finding")
    assert silent.text("#listed") == "400 samples"
    samples = silent.population.samples
    worst = samples[samples["cluster_id"] >= 0].groupby("cluster_id")["loss"].mean().idxmax()
    assert silent.run("document.querySelectorAll('.finding .title')[1].textContent").startswith(f"Cluster {worst}")
    silent.click_on(".finding", 1)
    n = (samples["cluster_id"] == worst).sum()
    assert silent.text("#listed").startswith(f"{n} selected")
    assert "insights.json names 1 samples that this run does not have" in silent.content("#warnings")


def test_the_name_of_a_cluster_is_never_broken(page, make_run):
    page.open(write_report(*make_run(3_000, pictures=False, cluster_id=10, loss=1.25)), width=1280, height=720)
    page.click_on("[data-pane=findings]")
    assert page.text(".finding .title small") == "3,000 samples · mean loss 1.25"
    assert page.box(".finding .title span")[3] < 20, "one line"
    page.assert_silent()


def test_queues_show_their_curves_and_reasons(silent):
    silent.click_on('[data-pane="labelling"]')
    shown = silent.text("#labelling")
    for text in (
        "Saves 12 labels.",
        "5 seeds",
        "everything",
        "s11",
        "expected error 0.5 (0.25 to 0.75)",
        "<i>covers</i>",
    ):
        assert text in shown
    assert silent.run("document.querySelectorAll('#labelling polyline').length") == 2
    assert silent.run("document.querySelectorAll('#labelling polygon').length") == 2
    silent.click_on("#labelling .finding")
    assert silent.chosen()["sample_ids"] in (["s11", "s14"], ["s14", "s11"])
    silent.click_on("#labelling .entry", 1)
    assert silent.text("#details .id") == "s14"
    silent.click_on('[data-pane="pruning"]')
    assert "To drop" in silent.text("#pruning")
    assert "twin of s21" in silent.text("#pruning")
    silent.choose("#color-by", "pruning_decision")
    assert "398 without pruning decision" in silent.text("#legend")


def test_an_error_that_is_known_has_no_range(page, scattered):
    population, run = scattered
    table = "rank,sample_id,predicted_error,predicted_error_low,predicted_error_high,reason\n1,s11,0.5,0.5,0.5,\n"
    (run / "labelling.csv").write_text(table)
    page.open(write_report(population, run))
    page.click_on('[data-pane="labelling"]')
    assert page.text("#labelling .entry .note") == "expected error 0.5"
    page.assert_silent()


def test_what_to_drop_stands_under_its_reasons_without_a_rank(page, scattered):
    population, run = scattered
    lines = [f"s{i},drop,,like one that is kept: s{i + 100}" for i in range(20, 26)]
    lines += ["s30,drop,,near-duplicate of another: s31", "s31,keep,1,stands for samples like it: a hard one"]
    (run / "pruning.csv").write_text("\n".join(["sample_id,decision,rank,reason", *lines]) + "\n")
    page.open(write_report(population, run))
    page.click_on('[data-pane="pruning"]')
    heads = page.run("[...document.querySelectorAll('#pruning .finding')].map(one => one.innerText.split('\\n'))")
    assert heads == [
        ["To drop", "7 samples"],
        ["like one that is kept", "6 samples"],
        ["near-duplicate of another", "1 sample"],
        ["To keep", "1 sample"],
        ["stands for samples like it", "1 sample"],
    ]
    entries = "[...document.querySelectorAll('#pruning .entry')].map(one => one.innerText.split('\\n').filter(Boolean))"
    shown = page.run(entries)
    assert shown[:3] == [["s20", "s120"], ["s21", "s121"], ["s22", "s122"]]
    assert shown[3:] == [["s30", "s31"], ["1", "s31", "a hard one"]], "only what is kept has a rank"
    page.click_on("#pruning .more")
    assert len(page.run(entries)) == 8
    assert sorted(page.chosen()["sample_ids"]) == [f"s{i}" for i in range(20, 26)]
    page.assert_silent()


def test_instances_have_a_map_of_their_own(silent):
    silent.click_on("#table-choice input", 1)
    assert silent.text("#listed") == "700 instances on the maps (800 in all)"
    assert silent.run("Number(document.querySelector('.plot').dataset.drawn)") == 700
    silent.click_on("#gallery button", 5)
    assert silent.run("document.querySelector('#details .note').textContent").startswith("in ")
    content = silent.chosen()
    assert len(content["instance_ids"]) == 700
    assert len(content["sample_ids"]) == 350
    silent.click_on("#table-choice input", 0)
    assert silent.text("#listed") == "400 samples"
