import numpy as np
import pytest

from slotkd.evaluation.average_precision import (
    RECALLS,
    THRESHOLDS,
    Comparison,
    average_precision,
)


def _comparison(scores, ious, **options):
    ious = np.array(ious, float)
    count = ious.shape[1]
    fields = dict(
        scores=np.array(scores, float),
        ious=ious,
        areas=np.full(len(scores), 100.0),
        true_areas=np.full(count, 100.0),
        crowd=np.zeros(count, bool),
        ids=tuple(range(1, count + 1)),
    )
    return Comparison(**(fields | options))


def _scores(*comparisons, **options):
    return average_precision([{1: c} for c in comparisons], [1], **options)


def _naive_ap(hits, positives):
    """Average precision by the book, hits by descending score."""
    precision, recall, found = [], [], 0
    for rank, hit in enumerate(hits, 1):
        found += hit
        precision.append(found / rank)
        recall.append(found / positives)
    return np.mean(
        [
            max(
                [p for p, r in zip(precision, recall, strict=True) if r >= at],
                default=0,
            )
            for at in RECALLS
        ]
    )


@pytest.mark.parametrize('seed', range(5))
def test_one_to_one_overlaps_equal_the_book(seed):
    generator = np.random.default_rng(seed)
    quality = generator.choice([0.0, 0.55, 0.72, 0.88, 1.0], 8)
    scores = np.sort(generator.random(8))[::-1]
    got = _scores(_comparison(scores, np.diag(quality)))
    expected = [_naive_ap(quality >= thr, 8) for thr in THRESHOLDS]
    assert got['AP'] == pytest.approx(np.mean(expected), abs=1e-12)
    assert got['AP50'] == pytest.approx(expected[0], abs=1e-12)
    assert got['AP75'] == pytest.approx(expected[5], abs=1e-12)
    found = [(quality >= thr).mean() for thr in THRESHOLDS]
    assert got['AR100'] == pytest.approx(np.mean(found), abs=1e-12)


def test_each_true_track_is_found_once_by_the_best_score():
    got = _scores(_comparison([0.9, 0.8], [[0.6], [1.0]]))
    assert got['AP50'] == 1
    assert got['AP75'] == pytest.approx(0.5)
    assert got['AR1'] == pytest.approx(3 / 10)


def test_a_prediction_takes_its_best_free_track():
    got = _scores(_comparison([0.9, 0.8], [[0.7, 0.9], [0.0, 0.8]]))
    assert got['AR100'] == pytest.approx((9 / 2) / 10)
    second = _scores(_comparison([0.9, 0.8], [[0.9, 0.7], [0.0, 0.8]]))
    assert second['AR100'] == pytest.approx((9 / 2 + 7 / 2) / 10)


def test_crowd_is_neither_hit_nor_miss_and_never_used_up():
    got = _scores(
        _comparison(
            [0.9, 0.8, 0.7, 0.6],
            [[0, 0.92], [0, 0.92], [0, 0.92], [1.0, 0]],
            crowd=np.array([False, True]),
        )
    )
    assert got['AP50'] == got['AP75'] == got['AR100'] == 1
    # At 0.95 the three are false; the hit comes fourth.
    assert got['AP'] == pytest.approx((9 + 1 / 4) / 10)


def test_a_track_to_be_found_wins_over_a_crowd():
    got = _scores(
        _comparison([0.9], [[0.6, 0.9]], crowd=np.array([False, True]))
    )
    assert got['AP50'] == 1
    assert got['AP75'] == 0


def test_sizes_split_tracks_and_stray_predictions():
    areas = np.array([50.0, 128.0**2 + 1, 300.0**2])
    comparison = _comparison(
        [0.9, 0.8, 0.7], np.eye(3), areas=areas, true_areas=areas
    )
    got = _scores(comparison)
    for name in ('', '_s', '_m', '_l'):
        assert got[f'AP{name}'] == pytest.approx(1)
    stray = _comparison(
        [0.9, 0.8],
        [[0.0], [1.0]],
        areas=np.array([300.0**2, 50.0]),
        true_areas=np.array([50.0]),
    )
    got = _scores(stray)
    assert got['AP'] == pytest.approx(0.5)
    assert got['AP_s'] == pytest.approx(1)
    assert got['AP_m'] == got['AR_m'] == got['AP_l'] == -1


def test_splits_look_for_the_named_tracks_only():
    comparison = _comparison([0.9, 0.8], [[1.0, 0], [0, 0.5]])
    got = _scores(comparison, splits=dict(so=[1], ho=[2], mo=[]))
    assert got['AP_so'] == 1
    assert got['AP_ho'] == pytest.approx(0.1)
    assert got['AP_mo'] == -1


def test_categories_without_truth_do_not_count():
    good = _comparison([0.9], [[1.0]])
    stray = _comparison([0.9], np.zeros((1, 0)))
    got = average_precision([{1: good, 2: stray}], [1, 2, 3])
    assert got['AP'] == got['AR1'] == 1
    assert average_precision([{2: stray}], [2])['AP'] == -1


def test_nothing_predicted_scores_zero():
    got = _scores(_comparison([], np.zeros((0, 2))))
    assert (got['AP'], got['AR100']) == (0, 0)
