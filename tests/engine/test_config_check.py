"""Misspelt keys and types are found before a run begins."""

import copy

import pytest
from mmengine.config import Config

from slotkd.engine import ConfigError, check_config, check_model
from slotkd.engine.config_check import TERM_KEYS
from slotkd.models.losses.loss_terms import SCHEDULE_KEYS
from tests import tiny, toy_run

MMSEG_HEAD = dict(
    type='mmseg.FCNHead',
    in_channels=8,
    channels=8,
    num_classes=2,
    norm_cfg=dict(type='BN', requires_grad=True),
)


def changed(**options) -> Config:
    cfg = toy_run.config()
    cfg.merge_from_dict(options)
    return cfg


def complaint(cfg: Config, required: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        check_config(cfg, required)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_good_configs_pass():
    check_config(toy_run.config(), ('model', 'train_dataloader'))
    check_config(toy_run.config(model=toy_run.distiller('teacher.pth')))


def test_checking_changes_nothing():
    cfg = toy_run.config()
    before = copy.deepcopy(cfg.to_dict())
    check_config(cfg)
    assert cfg.to_dict() == before


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        (
            'model.corrector.slot_dm',
            "model.corrector: SlotAttention takes no argument 'slot_dm'; did "
            "you mean 'slot_dim'?",
        ),
        ('model.num_iter', "did you mean 'num_iters'?"),
        ('model.losses.recon.wieght', 'model.losses.recon: FeatureRecon'),
        ('model.losses.recon.weight', 'takes no argument'),
        ('train_dataloader.batchsize', "did you mean 'batch_size'?"),
        ('train_dataloader.dataset.num_frame', "did you mean 'num_frames'?"),
        ('train_dataloader.sampler.shufle', "did you mean 'shuffle'?"),
        ('optim_wrapper.clip_gard', "did you mean 'clip_grad'?"),
        ('optim_wrapper.optimizer.wd', 'Adam takes no argument'),
        ('param_scheduler.warm_up', "did you mean 'warmup'?"),
        ('train_cfg.max_iter', "did you mean 'max_iters'?"),
        ('default_hooks.checkpoint.intervall', "did you mean 'interval'?"),
        ('default_hooks.chekpoint', "did you mean 'checkpoint'?"),
        ('val_evaluator.backgroud', "did you mean 'background'?"),
        ('randomness.sed', "did you mean 'seed'?"),
        ('env_cfg.cudnn', "env_cfg: unknown key 'cudnn'"),
        ('log_processor.window', 'LogProcessor takes no argument'),
    ],
)
def test_arguments(option, told):
    assert told in complaint(changed(**{option: 1}))


def test_arguments_in_lists_and_parents():
    cfg = toy_run.config()
    cfg.train_dataloader.dataset.pipeline.append(
        dict(type='ClipCrop', sizee=(3, 3))
    )
    cfg.param_scheduler = [
        dict(type='LinearLR', start_facto=0.1, by_epoch=False)
    ]
    told = complaint(cfg)
    assert 'param_scheduler[0]: LinearLR' in told or 'pipeline[1]' in told
    cfg.param_scheduler[0] = dict(type='LinearLR', start_factor=0.1, end=5)
    assert 'dataset.pipeline[1]' in complaint(cfg)


@pytest.mark.parametrize(
    ('option', 'kind', 'told'),
    [
        ('model.type', 'SlotVideoModl', "did you mean 'SlotVideoModel'?"),
        ('model.decoder.type', 'MlpDecoder', "did you mean 'MLPDecoder'?"),
        ('train_dataloader.dataset.type', 'MovingShape', "'MovingShapes'?"),
        ('optim_wrapper.optimizer.type', 'Adm', "did you mean 'Adam'?"),
        ('model.backbone.type', 'mmseg.MobileNetV9', 'is not registered'),
        ('model.backbone.type', 'nowhere.Thing', 'is not registered'),
    ],
)
def test_types(option, kind, told):
    message = complaint(changed(**{option: kind}))
    assert f'{option}: {kind!r}' in message and told in message


def test_parts_of_other_packages_keep_their_rules():
    check_config(changed(**{'model.decoder': dict(MMSEG_HEAD)}))
    scoped = dict(
        MMSEG_HEAD,
        type='FCNHead',
        _scope_='mmseg',
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
    )
    check_config(changed(**{'model.decoder': scoped}))
    unscoped = dict(MMSEG_HEAD, type='FCNHead')
    assert "'FCNHead' is not registered in 'slotkd'" in complaint(
        changed(**{'model.decoder': unscoped})
    )


def test_full_paths_are_types():
    cfg = toy_run.config()
    cfg.model.predictor = dict(type='torch.nn.Linear', in_features=3)
    check_config(cfg)
    cfg.model.predictor.in_feature = 3
    assert "did you mean 'in_features'?" in complaint(cfg)


@pytest.mark.parametrize(
    'clip_grad',
    [
        None,
        dict(max_norm=1),
        dict(type='norm', max_norm=1, norm_type=1.0, error_if_nonfinite=True),
        dict(type='value', clip_value=1),
    ],
)
def test_good_clipping_passes(clip_grad):
    cfg = toy_run.config()
    cfg.optim_wrapper.clip_grad = clip_grad
    check_config(cfg)


@pytest.mark.parametrize(
    ('clip_grad', 'told'),
    [
        (dict(max_nrom=1), "no argument 'max_nrom'; did you mean 'max_norm'?"),
        (dict(type='value', max_norm=1), 'clip_grad_value_ takes no argument'),
        (dict(type='value'), "clip_grad_value_ needs 'clip_value'"),
        (dict(error_if_nonfinite=True), "clip_grad_norm_ needs 'max_norm'"),
        (dict(type='nrom', max_norm=1), "'nrom' is neither 'norm' nor"),
        (0.05, 'must be a dict as dict(max_norm=1.0), got 0.05'),
    ],
)
def test_wrong_clipping(clip_grad, told):
    cfg = toy_run.config()
    cfg.optim_wrapper.clip_grad = clip_grad
    message = complaint(cfg)
    assert 'optim_wrapper.clip_grad' in message and told in message


def test_the_pipeline_of_inference_is_read():
    cfg = toy_run.config(test_pipeline=[dict(type='ResizeVideo', sie=(8, 8))])
    assert "test_pipeline[0]: ResizeVideo takes no argument 'sie'" in (
        complaint(cfg)
    )


def test_pretrained_backbones_may_be_trusted():
    init_cfg = dict(type='Pretrained', checkpoint='x.pth', trust=True)
    cfg = toy_run.config()
    cfg.model.backbone = dict(type='DinoViT', init_cfg=init_cfg)
    cfg.model.backbone.init_cfg.trst = True
    assert "'trst'; did you mean 'trust'?" in complaint(cfg)
    del cfg.model.backbone.init_cfg.trst
    check_config(cfg)


@pytest.mark.parametrize(
    ('model', 'told'),
    [
        (None, 'config: model is missing'),
        (tiny.slot_model(num_iter=1), "did you mean 'num_iters'?"),
    ],
)
def test_a_model_alone(model, told):
    with pytest.raises(ConfigError) as caught:
        check_model(Config(dict(model=model, seed=3)))
    assert told in str(caught.value)
    check_model(Config(dict(model=tiny.slot_model(), seed=3)))


def test_missing_keys_are_named_with_the_file(tmp_path):
    path = tmp_path / 'half.py'
    path.write_text("model = dict(type='SlotVideoModel')\n")
    cfg = Config.fromfile(path)
    told = complaint(cfg, ('model', 'train_cfg'))
    assert 'half.py' in told and 'train_cfg is missing' in told


def test_reserved_keys_of_terms_are_those_of_loss_terms():
    assert TERM_KEYS == set(SCHEDULE_KEYS)


@pytest.mark.parametrize(
    ('path', 'key'),
    [
        ('model.neck', 'out_dim'),
        ('model', 'decoder'),
        ('train_dataloader.dataset', 'num_videos'),
        ('default_hooks.checkpoint', 'interval'),
    ],
)
def test_missing_arguments(path, key):
    cfg = toy_run.config()
    node = cfg
    for name in path.split('.'):
        node = node[name]
    cls = node.type
    del node[key]
    assert f'{path}: {cls} needs {key!r}' in complaint(cfg)
