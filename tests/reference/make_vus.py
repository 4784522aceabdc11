"""Write `vus.json`: what TSB-AD 1.5, vus 0.0.6 and prts 1.0.0.3 say of random labels and scores.

Run with an interpreter that has the three packages and numpy: ``python tests/reference/make_vus.py``.
The volumes of TSB-AD and vus (variant "opt") are the same to 1e-15, or this script stops. The range-based F1 of prts
and of TSB-AD likewise. TSB-AD judges a score, so it is given the flags themselves.
"""

import json
from pathlib import Path

import numpy as np

# rows, events, longest event, window, thresholds, kind of score
CASES = [
    (60, 2, 8, 0, 250, "steps"),
    (200, 3, 20, 10, 250, "smooth"),
    (300, 6, 12, 25, 250, "noise"),
    (300, 25, 1, 40, 250, "noise"),
    (500, 12, 15, 31, 50, "steps"),
    (700, 4, 90, 100, 250, "smooth"),
    (1000, 40, 6, 100, 100, "smooth"),
    (400, 1, 50, 7, 250, "constant"),
]


def make(seed, n, n_events, longest, kind):
    rng = np.random.default_rng(seed)
    labels = np.zeros(n, int)
    for start in rng.integers(0, n - 1, n_events):
        labels[start : start + rng.integers(1, longest + 1)] = 1
    if seed % 2:
        labels[0] = labels[-1] = 1
    scores = rng.normal(size=n) + np.roll(labels, int(rng.integers(-3, 4)))
    if kind == "smooth":
        scores = np.convolve(scores, np.ones(7) / 7, mode="same")
    elif kind == "steps":
        scores = np.round(scores)
    elif kind == "constant":
        scores = np.full(n, 0.5)
    return labels, np.round(scores, 6)


def judge(labels, scores, window, thresholds):
    import prts
    from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve
    from vus.utils.metrics import metricor

    *_, roc, pr = generate_curve(labels, scores, window, "opt", thresholds)
    *_, other_roc, other_pr = metricor().RangeAUC_volume_opt(labels, scores, window, thresholds)
    assert abs(roc - other_roc) < 1e-15
    assert abs(pr - other_pr) < 1e-15
    flags = (scores > np.quantile(scores, 0.85)).astype(int)
    if not flags.any():
        return {"vus_roc": roc, "vus_pr": pr}
    range_f1 = basic_metricor().metric_RF1(labels, scores, preds=flags)
    precision = prts.ts_precision(labels, flags, alpha=0.0, cardinality="reciprocal", bias="flat")
    recall = prts.ts_recall(labels, flags, alpha=0.2, cardinality="reciprocal", bias="flat")
    assert abs(2 * precision * recall / (precision + recall) - range_f1) < 1e-12
    ranges = {"flags": flags.tolist(), "range_precision": precision, "range_recall": recall, "range_f1": range_f1}
    return {"vus_roc": roc, "vus_pr": pr, **ranges}


def main():
    cases = []
    for seed, (n, n_events, longest, window, thresholds, kind) in enumerate(CASES):
        labels, scores = make(seed, n, n_events, longest, kind)
        expected = {
            key: value if isinstance(value, list) else float(value)
            for key, value in judge(labels, scores, window, thresholds).items()
        }
        given = {"labels": labels.tolist(), "scores": scores.tolist(), "window": window, "n_thresholds": thresholds}
        cases.append({**given, **expected})
        print(kind, {key: value for key, value in expected.items() if key != "flags"})
    out = {"source": __doc__.strip(), "cases": cases}
    Path(__file__).with_name("vus.json").write_text(json.dumps(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
