"""Send frames through the test pipeline of a config."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from mmengine.config import Config

from slotkd.datasets import build_transforms
from slotkd.engine import ConfigError
from slotkd.engine.command_line import one_line


def build_test_pipeline(cfg: Config) -> list[Callable]:
    """Build the ``test_pipeline`` of a config.

    Raises:
        ConfigError: If it is missing or wrong; names the config.
    """
    name = cfg.filename or 'config'
    if cfg.get('test_pipeline') is None:
        raise ConfigError(
            f'{name}: test_pipeline is missing, which says how frames '
            'are resized'
        )
    try:
        return build_transforms(cfg.test_pipeline)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{name}: test_pipeline: {one_line(error)}'
        ) from error


def pack_frames(
    pipeline: Sequence[Callable],
    frames: UInt8[np.ndarray, 'T H W 3'],
    *,
    video_id: str,
    config_name: str,
    masks: UInt8[np.ndarray, 'T H W'] | None = None,
) -> dict[str, Any]:
    """Return ``inputs`` and ``data_samples`` of consecutive frames.

    Args:
        pipeline: From :func:`build_test_pipeline`.
        frames: As they were read, RGB.
        video_id: Name of the video.
        config_name: Named in the error.
        masks: Labels that go through the same transforms.

    Raises:
        ConfigError: If the pipeline does not pack.
    """
    shape = frames.shape[1:3]
    results: dict[str, Any] = dict(
        img=list(frames),
        video_id=video_id,
        frame_ids=list(range(len(frames))),
        video_length=len(frames),
        ori_shape=shape,
        img_shape=shape,
    )
    if masks is not None:
        results.update(gt_seg_map=list(masks), seg_fields=['gt_seg_map'])
    for step in pipeline:
        results = step(results)
    if 'inputs' not in results or 'data_samples' not in results:
        raise ConfigError(
            f'{config_name}: test_pipeline must end with PackVideoInputs'
        )
    return results
