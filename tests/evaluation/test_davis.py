import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from PIL import Image

from slotkd.evaluation import boundary_accuracy, region_similarity
from slotkd.evaluation.davis import davis_scores
from slotkd.registry import METRICS
from slotkd.structures import VideoDataSample

SIZE = (6, 40, 60)


def _squares(count=2, shift=0):
    """Let objects of 10 x 10 pixels move right by two columns per frame."""
    video = np.zeros(SIZE, np.int64)
    for t in range(SIZE[0]):
        for label in range(1, count + 1):
            left = 2 * t + shift
            video[t, 13 * label - 12 : 13 * label - 2, left : left + 10] = (
                label
            )
    return video


def _evaluate(pairs, **options):
    evaluator = Evaluator(METRICS.build(dict(type='DavisMetric', **options)))
    for index, (pred, true) in enumerate(pairs):
        sample = VideoDataSample(metainfo=dict(video_id=f'video{index}'))
        sample.pred_masks = torch.as_tensor(pred)
        if true is not None:
            sample.gt_masks = torch.as_tensor(true)
        evaluator.process([sample])
    return evaluator.evaluate(len(pairs))


def test_semi_supervised_is_frame_by_frame_without_the_ends():
    true, pred = _squares(), _squares(shift=3)
    j, f = davis_scores(pred, true, protocol='semi-supervised')
    assert j.shape == f.shape == (2, 4)
    for row in range(2):
        for column in range(4):
            pair = pred[column + 1] == row + 1, true[column + 1] == row + 1
            assert j[row, column] == pytest.approx(region_similarity(*pair))
            assert f[row, column] == pytest.approx(boundary_accuracy(*pair))


def test_unsupervised_scores_all_frames():
    j, f = davis_scores(_squares(shift=3), _squares())
    assert j.shape == f.shape == (2, 6)
    assert j == pytest.approx(np.full((2, 6), 70 / 130))


def test_void_is_background_or_left_out():
    true, pred = _squares(1), _squares(1)
    true[:, 20:, :] = 255
    pred[:, 20:, :] = 1
    semi = davis_scores(pred, true, protocol='semi-supervised')[0]
    assert (semi < 0.1).all()
    for score in davis_scores(pred, true):
        assert (score == 1).all()


def test_void_cuts_the_boundary_of_both():
    true, pred = _squares(1), _squares(1)
    true[:, 1:6, 0:30] = 255
    for score in davis_scores(pred, true, pred_background=0):
        assert (score == 1).all()


def test_assignment_ignores_the_order_of_proposals():
    true, pred = _squares(3), _squares(3, shift=2)
    order = np.array([2, 0, 3, 1])
    for a, b in zip(
        davis_scores(pred, true),
        davis_scores(order[pred], true),
        strict=True,
    ):
        assert a == pytest.approx(b)


def test_assignment_is_one_for_the_whole_video():
    """A slot that swaps objects half-way is credited for one of them."""
    true = _squares(2)
    pred = true.copy()
    pred[3:] = np.array([0, 2, 1])[true[3:]]
    j, _ = davis_scores(pred, true)
    assert j.mean() == pytest.approx(0.5)


def test_objects_without_proposal_score_zero():
    true = _squares(3)
    pred = np.where(true == 2, 1, 0)
    j, f = davis_scores(pred, true, pred_background=0)
    assert j.mean(1).tolist() == f.mean(1).tolist() == [0, 1, 0]
    one_slot = davis_scores(np.zeros_like(true), true)[0]
    assert (one_slot.mean(1) > 0).sum() == 1


def test_objects_are_those_of_the_first_frame():
    true = _squares(2)
    true[0][true[0] == 2] = 0
    for protocol in ('unsupervised', 'semi-supervised'):
        pred = np.where(true == 2, 0, true)
        assert len(davis_scores(pred, true, protocol=protocol)[0]) == 1


def test_davis_2016_merges_everything_above_zero():
    true = _squares(2)
    pred = np.where(true > 0, 7, 0)
    for score in davis_scores(pred, true, protocol='davis2016'):
        assert score.shape == (1, 4)
        assert (score == 1).all()
    white = np.where(true > 0, 255, 0).astype(np.uint8)
    assert (davis_scores(pred, white, protocol='davis2016')[0] == 1).all()


@pytest.mark.parametrize(
    ('pred', 'options', 'text'),
    [
        (_squares(3), dict(protocol='semi-supervised'), 'label 3.* 2 objects'),
        (_squares()[:, :, 1:], {}, r'\(6, 40, 59\).*\(6, 40, 60\)'),
        (_squares()[1:], {}, r'\(5, 40, 60\).*\(6, 40, 60\)'),
        (_squares(), dict(max_proposals=2), '3 proposals.* 2'),
        (_squares(), dict(protocol='online'), "'online'"),
    ],
)
def test_hostile_input(pred, options, text):
    with pytest.raises(ValueError, match=text):
        davis_scores(pred, _squares(), **options)


def test_video_of_two_frames_has_nothing_to_score():
    short = _squares()[:2]
    with pytest.raises(ValueError, match='first and the last.* has 2'):
        davis_scores(short, short, protocol='semi-supervised')


def test_metric_weighs_objects_not_videos():
    perfect = (_squares(3), _squares(3))
    wrong = (np.zeros(SIZE, int), _squares(1))
    result = _evaluate([perfect, wrong], protocol='semi-supervised')
    expected = dict(j_mean=0.75, j_recall=0.75, j_decay=0.0, jf_mean=0.75)
    assert {k: result[k] for k in expected} == pytest.approx(expected)
    assert result['f_mean'] == result['f_recall'] == 0.75


def test_metric_names_the_video():
    good = (_squares(), _squares())
    with pytest.raises(ValueError, match=r"'video1': pred_masks.*\(5, 40"):
        _evaluate([good, (_squares()[1:], _squares())])
    with pytest.raises(ValueError, match="'video1': pred holds 3 proposals"):
        _evaluate([(_squares(1), _squares()), good], max_proposals=2)
    with pytest.raises(ValueError, match='no object to score in 1 videos'):
        _evaluate([(_squares(), None)])


@pytest.mark.data
def test_real_masks_against_themselves_and_an_earlier_frame(shared):
    folder = shared / 'data/davis_mini/Annotations/480p/car-turn'
    true = np.stack(
        [np.array(Image.open(path)) for path in sorted(folder.iterdir())[:4]]
    )
    for score in davis_scores(true, true):
        assert (score == 1).all()
    late = np.roll(true, 1, axis=0)
    j, f = davis_scores(late, true, pred_background=0)
    for t in range(4):
        pair = late[t] == 1, true[t] == 1
        assert j[0, t] == pytest.approx(region_similarity(*pair))
        assert f[0, t] == pytest.approx(boundary_accuracy(*pair))
    assert 0.5 < j.mean() < 1
