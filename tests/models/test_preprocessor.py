import pytest
import torch

from slotkd.models import VideoDataPreprocessor
from slotkd.registry import MODELS
from slotkd.structures import VideoDataSample


def clip(*, frames=2, height=4, width=6, name=None):
    inputs = torch.randint(0, 256, (frames, 3, height, width)).byte()
    sample = VideoDataSample(
        metainfo={} if name is None else {'video_id': name}
    )
    return inputs, sample


def test_bytes_are_stacked_and_normalised_by_channel():
    clips = [clip()[0], clip()[0]]
    module = VideoDataPreprocessor(mean=(1, 2, 3), std=(2, 4, 8))
    out = module(dict(inputs=clips))
    assert out['inputs'].shape == (2, 2, 3, 4, 6)
    assert out['inputs'].dtype == torch.float32
    assert out['data_samples'] is None
    expected = (clips[1][1, 2, 3, 5].item() - 3) / 8
    assert out['inputs'][1, 1, 2, 3, 5].item() == pytest.approx(expected)


def test_defaults_are_imagenet_in_units_of_bytes():
    module = MODELS.build(dict(type='VideoDataPreprocessor'))
    grey = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    out = module(dict(inputs=[grey.expand(1, 3, 2, 2)]))
    assert out['inputs'].abs().max() < 1e-6


def test_stacked_batch_gives_what_the_list_gives():
    batch = torch.stack([clip()[0], clip()[0]])
    module = VideoDataPreprocessor()
    torch.testing.assert_close(
        module(dict(inputs=batch))['inputs'],
        module(dict(inputs=list(batch)))['inputs'],
    )


def test_bgr_is_swapped_before_the_statistics():
    inputs, _ = clip()
    stats = dict(mean=(1, 2, 3), std=(2, 4, 8))
    swapped = VideoDataPreprocessor(**stats, bgr_to_rgb=True)
    plain = VideoDataPreprocessor(**stats)
    torch.testing.assert_close(
        swapped(dict(inputs=[inputs]))['inputs'],
        plain(dict(inputs=[inputs.flip(1)]))['inputs'],
    )


def test_samples_pass_through_and_nothing_is_saved():
    module = VideoDataPreprocessor()
    inputs, sample = clip(name='bear')
    sample.gt_masks = torch.ones(2, 4, 6, dtype=torch.int64)
    out = module(dict(inputs=[inputs], data_samples=[sample]))
    assert [sample.video_id for sample in out['data_samples']] == ['bear']
    assert out['data_samples'][0].gt_masks.equal(sample.gt_masks)
    assert not module.state_dict()
    assert not list(module.parameters())


def test_different_shapes_name_both_videos_and_shapes():
    (a, bear), (b, boat) = clip(name='bear'), clip(name='boat', width=8)
    batch = dict(inputs=[a, b], data_samples=[bear, boat])
    with pytest.raises(ValueError) as caught:
        VideoDataPreprocessor()(batch)
    message = str(caught.value)
    for part in ('bear', 'boat', '(2, 3, 4, 6)', '(2, 3, 4, 8)'):
        assert part in message
    with pytest.raises(ValueError, match='video #1'):
        VideoDataPreprocessor()(dict(inputs=[a, b]))


def test_clips_that_are_no_rgb_video_are_refused():
    with pytest.raises(ValueError, match=r'\(T, 3, H, W\), got \(3, 4, 6\)'):
        VideoDataPreprocessor()(dict(inputs=[torch.zeros(3, 4, 6)]))
    with pytest.raises(ValueError, match=r'got \(2, 4, 4, 6\)'):
        VideoDataPreprocessor()(dict(inputs=[torch.zeros(2, 4, 4, 6)]))
    inputs, sample = clip()
    with pytest.raises(ValueError, match='1 clips and 2 data samples'):
        VideoDataPreprocessor()(
            dict(inputs=[inputs], data_samples=[sample, sample])
        )


def test_statistics_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'mean=\(1,\)'):
        VideoDataPreprocessor(mean=(1,))
    with pytest.raises(ValueError, match=r'std=\(1, 0, 1\)'):
        VideoDataPreprocessor(std=(1, 0, 1))
