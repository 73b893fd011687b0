import pytest

from slotkd.datasets.video_problems import (
    MissingVideoError,
    describe_each,
    gather,
    gathering_problems,
)


def describe(item):
    if item < 0:
        raise ValueError(f'video {item} is broken')
    if item > 9:
        raise MissingVideoError(f'video {item} is missing')
    if item == 9:
        raise FileNotFoundError('no folder 9')
    return dict(video_id=item)


def ids(videos):
    return [video['video_id'] for video in videos]


def test_the_first_bad_video_is_an_error():
    assert ids(describe_each([1, 2], describe)) == [1, 2]
    with pytest.raises(ValueError, match='video -1 is broken'):
        describe_each([1, -1, 2], describe)
    with pytest.raises(MissingVideoError, match='video 10 is missing'):
        describe_each([1, 10], describe)


def test_missing_videos_are_left_out_with_a_count(monkeypatch):
    said = []
    monkeypatch.setattr(
        'slotkd.datasets.video_problems.print_log',
        lambda text, **_: said.append(text),
    )
    kept = describe_each([1, 11, 2, 10], describe, skip_missing=True)
    assert ids(kept) == [1, 2]
    assert said == [
        'left out 2 of 4 videos that are missing: video 11 is missing; '
        'video 10 is missing'
    ]
    with pytest.raises(ValueError, match='video -1 is broken'):
        describe_each([11, -1], describe, skip_missing=True)
    with pytest.raises(ValueError, match='all 2 videos are missing: video 10'):
        describe_each([10, 11], describe, skip_missing=True)


def test_problems_are_gathered_on_demand():
    with gathering_problems() as found:
        kept = describe_each([1, -1, 9, 11, 2], describe)
        describe_each([3, 12], describe, skip_missing=True)
        assert gather(['a shard is broken'])
    assert ids(kept) == [1, 2]
    assert found.problems == [
        'video -1 is broken',
        'no folder 9',
        'video 11 is missing',
        'a shard is broken',
    ]
    assert found.skipped == ['video 12 is missing']
    with gathering_problems() as found:
        with pytest.raises(ValueError, match='none of 2 videos can be read'):
            describe_each([-1, 11], describe)
    assert found.problems == ['video -1 is broken', 'video 11 is missing']
    assert not gather(['nobody listens'])
    with pytest.raises(ValueError, match='broken'):
        describe_each([-1], describe)
