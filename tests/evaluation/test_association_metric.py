"""Pooling of association counts over videos."""

import pytest

from slotkd.evaluation import QueryAssociationMetric
from slotkd.ops.track_association import COUNTS


def sample(name, **counts):
    return dict(video_id=name, association=dict.fromkeys(COUNTS, 0) | counts)


def evaluate(*samples):
    metric = QueryAssociationMetric()
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_videos_are_pooled_by_their_links():
    found = evaluate(
        sample(1, kept=3, links=4, same_cosine=1.5, same_pairs=2),
        sample(
            2,
            kept=0,
            links=1,
            kept_after_gap=1,
            gaps=2,
            different_cosine=-1,
            different_pairs=4,
            same_cosine=0.9,
            same_pairs=1,
        ),
    )
    assert found['association'] == pytest.approx(3 / 5)
    assert found['association_gap'] == 0.5
    assert found['same_cosine'] == pytest.approx(0.8)
    assert found['different_cosine'] == -0.25
    assert found['cosine_gap'] == pytest.approx(1.05)


def test_without_a_case():
    assert set(evaluate(sample(1)).values()) == {-1.0}


def test_refuses_samples_without_the_counts():
    metric = QueryAssociationMetric()
    with pytest.raises(ValueError, match="video 3 has no field 'association'"):
        metric.process(None, [dict(video_id=3)])
