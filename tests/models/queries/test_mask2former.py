"""The heads and the offline model, and what mmdet 3.3.0 does unasked."""

import copy
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from slotkd.models.distillers.teacher_holder import load_teacher
from slotkd.models.queries.mask2former import (
    FrameQueryHead,
    Mask2FormerHead,
    Mask2FormerTrackHead,
    Mask2FormerVideo,
    VideoQueryHead,
)
from slotkd.registry import MODELS
from tests import tiny_queries
from tests.vis_samples import pixels, sample


@pytest.fixture(scope='module')
def built():
    torch.manual_seed(0)
    return tiny_queries.build(tiny_queries.offline())


@pytest.fixture
def teacher(built):
    return copy.deepcopy(built).eval()


def clips():
    samples = [sample([2, 0], absent=((0, 1),)), sample([1])]
    return pixels(samples), samples


def base_head(kind, config):
    """Return mmdet's own head of a config of ours."""
    config = ConfigDict(copy.deepcopy(config))
    for name in ('type', '_scope_'):
        config.pop(name)
    if kind is Mask2FormerHead:
        config.update(
            num_things_classes=config.pop('num_classes'), num_stuff_classes=0
        )
    return kind(**config)


def test_base_weights_load_strictly_into_both_heads():
    video = tiny_queries.video_head()
    frame = tiny_queries.head(type='', _scope_='')
    for kind, ours, config in (
        (Mask2FormerHead, FrameQueryHead, frame),
        (Mask2FormerTrackHead, VideoQueryHead, video),
    ):
        given = {
            k: v for k, v in config.items() if k not in ('type', '_scope_')
        }
        with DefaultScope.overwrite_default_scope('mmdet'):
            state = base_head(kind, config).state_dict()
            ours(**given).load_state_dict(state, strict=True)


def test_embeddings_are_the_last_normalised_decoder_output(teacher):
    head = teacher.track_head
    feats = teacher.backbone(clips()[0][0])
    cls_list, mask_list, embeds = head.layers_and_embeds(feats)
    torch.testing.assert_close(head.cls_embed(embeds), cls_list[-1])
    assert head._decoded is None
    plain = head(feats, None)
    assert torch.equal(plain[0][-1], cls_list[-1])
    assert torch.equal(plain[1][-1], mask_list[-1])


def test_record_of_clips(teacher):
    record = teacher(clips()[0])
    u = tiny_queries.QUERIES
    assert record.cls_logits.shape == (2, u, tiny_queries.CLASSES + 1)
    assert record.mask_logits.shape == (2, u, 4, 16, 16)
    assert record.embeds.shape == (2, u, tiny_queries.WIDTH)
    longer = teacher(torch.randn(1, 7, 3, 64, 64))
    assert longer.mask_logits.shape[2] == 7


def test_trap_1_in_eval_mmdet_takes_a_batch_for_one_clip(teacher):
    inputs = clips()[0]
    feats = teacher.backbone(inputs.flatten(0, 1))
    joined = teacher.track_head(feats, None)[1][-1]
    assert joined.shape[:3] == (1, tiny_queries.QUERIES, 8)
    teacher.track_head.train()  # the head alone cuts the batch as told
    batched = teacher.track_head(feats, None)[1][-1]
    teacher.track_head.eval()
    ours = teacher(inputs).mask_logits
    torch.testing.assert_close(ours, batched, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(('frames', 'mask', 'dice'), [(2, 4, 2), (6, 36, 6)])
def test_trap_2_losses_grow_with_the_frames(frames, mask, dice):
    """One object in equal frames, each point with the same loss."""

    def losses(count):
        config = tiny_queries.video_head() | dict(num_frames=count)
        head = tiny_queries.MODELS.build(ConfigDict(config))
        covered = torch.zeros(1, count, 16, 16, dtype=torch.long)
        covered[:, :, :8] = 1
        truth = InstanceData(labels=torch.tensor([1]), masks=covered)
        cls = torch.zeros(1, 6, 4)
        masks = torch.zeros(1, 6, count, 16, 16)
        found = head._loss_by_feat_single(cls, masks, [truth], [{}])
        return found[1].item(), found[2].item()

    one, many = losses(1), losses(frames)
    assert many[0] == pytest.approx(mask * one[0], rel=1e-4)
    assert many[1] == pytest.approx(dice * one[1], rel=0.15)


def test_trap_3_clips_must_have_the_length_that_the_head_was_told(teacher):
    teacher.train()
    feats = teacher.backbone(torch.randn(3, 3, 64, 64))
    with pytest.raises(ZeroDivisionError):
        teacher.track_head(feats, None)
    inputs, samples = clips()
    with pytest.raises(ValueError, match='have 3 frames, .*num_frames is 4'):
        teacher.loss(inputs[:, :3], samples)


def test_trap_4_mmdets_heads_need_configs_with_attributes():
    config = tiny_queries.video_head()
    given = {k: v for k, v in config.items() if k not in ('type', '_scope_')}
    with pytest.raises(AttributeError):
        Mask2FormerTrackHead(**given)
    with DefaultScope.overwrite_default_scope('mmdet'):
        assert VideoQueryHead(**given).num_queries == tiny_queries.QUERIES


def test_trap_5_sampling_results_cannot_be_asked_for(teacher):
    head = teacher.track_head
    truth = InstanceData(
        labels=torch.tensor([1]), masks=torch.ones(1, 2, 16, 16).long()
    )
    with pytest.raises(TypeError):
        head.get_targets(
            [torch.zeros(6, 4)],
            [torch.zeros(6, 2, 16, 16)],
            [truth],
            [{}],
            return_sampling_results=True,
        )


def test_trap_6_mmdet_reads_truth_once_ours_as_often_as_wanted(teacher):
    inputs, samples = clips()
    teacher.train()
    first = teacher.loss(inputs, samples)
    second = teacher.loss(inputs, samples)
    assert set(first) == set(second)
    assert type(samples[0][0].gt_instances.masks).__name__ == 'BitmapMasks'
    instances = [f.gt_instances for f in samples[0].video_data_samples]
    teacher.track_head.preprocess_gt(instances)
    with pytest.raises(AttributeError):
        teacher.track_head.preprocess_gt(instances)


def test_trap_7_a_resnet_cannot_be_chained():
    model = MODELS.build(tiny_queries.backbone())
    assert model.eval() is None and model.train() is None


def test_trap_12_clips_without_objects_train(teacher):
    samples = [sample([])]
    teacher.train()
    losses = teacher.loss(pixels(samples), samples)
    assert losses['loss_mask'] == losses['loss_dice'] == 0
    sum(losses.values()).backward()


def test_losses_are_those_of_mmdets_own_path(teacher):
    """On truth that mmdet prepares itself, with the same random points."""
    inputs, samples = clips()
    teacher.train()
    torch.manual_seed(3)
    ours = teacher.loss(inputs, samples)
    torch.manual_seed(3)
    theirs = Mask2FormerVideo.loss(teacher, inputs, samples)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name])


def test_predicts_a_video_as_one_clip(teacher):
    inputs, samples = clips()
    done = teacher(inputs, samples, 'predict')
    assert len(done[0].pred_tracks) == 10
    assert len(done[0].pred_tracks[0]['segmentations']) == 4
    assert 'association' not in done[0]


def test_missing_samples_are_refused(teacher):
    with pytest.raises(ValueError, match="mode 'loss' needs data_samples"):
        teacher(clips()[0], mode='loss')


@pytest.mark.parametrize('num_frames', [1, 3, 5])
def test_a_batch_of_clips_is_what_mmdet_says_of_each(teacher, num_frames):
    """In evaluation, hence without dropout."""
    inputs = torch.randn(3, num_frames, 3, 32, 32)
    head = teacher.track_head
    for part in head.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.5
    modules = {name: m.training for name, m in teacher.named_modules()}
    trained_on = head.num_frames
    with torch.no_grad():
        whole = teacher.run(inputs)
        parts = [
            head.layers_and_embeds(teacher.backbone(clip)) for clip in inputs
        ]
    for field, slow in (
        ('cls_logits', [part[0][-1] for part in parts]),
        ('mask_logits', [part[1][-1] for part in parts]),
        ('embeds', [part[2] for part in parts]),
    ):
        torch.testing.assert_close(getattr(whole, field), torch.cat(slow))
    assert not torch.allclose(whole.embeds[0], whole.embeds[1])
    assert head.num_frames == trained_on
    assert {n: m.training for n, m in teacher.named_modules()} == modules


def test_a_failed_batch_leaves_the_head_as_it_was(teacher, monkeypatch):
    def fail(*_):
        raise MemoryError('no memory')

    head = teacher.track_head
    before = head.num_frames
    monkeypatch.setattr(head.pixel_decoder, 'forward', fail)
    with pytest.raises(MemoryError, match='no memory'):
        teacher.run(torch.randn(2, 7, 3, 32, 32))
    assert head.num_frames == before != 7
    assert not head.training


def published(path: str) -> Config:
    """Return a config that mmdet ships."""
    return Config.fromfile(Path(mmdet.__file__).parent / '.mim/configs' / path)


def test_mmdets_published_layout_loads_into_the_teacher(repo, tmp_path):
    """Names and shapes are those of mmdet's own model, weights are random."""
    cfg = published(
        'mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021.py'
    )
    with torch.device('meta'):  # nothing to initialise
        source = MODELS.build(dict(cfg.model, _scope_='mmdet', init_cfg=None))
    # One random number for each weight, which takes no room in the file.
    state = {
        name: torch.randn(()).to(value.dtype).expand(value.shape)
        for name, value in source.state_dict().items()
    }
    path = tmp_path / 'mask2former_r50.pth'
    torch.save(dict(meta={}, state_dict=state), path)
    base = Config.fromfile(repo / 'configs/_base_/models/vis_offline_r50.py')
    with torch.device('meta'):
        model = MODELS.build(base.vis_offline_r50)
    load_teacher(model.to_empty(device='cpu'), str(path))
    for name, value in state.items():
        assert torch.equal(model.state_dict()[name], value), name
