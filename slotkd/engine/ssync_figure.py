"""A picture of SSync at work: labels, sets and merging of one clip."""

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from slotkd.engine.drawing import VOID
from slotkd.engine.visualization_hook import (
    SlotVisualizationHook,
    draw_clip,
    pixels,
    spread,
)
from slotkd.registry import HOOKS, MODELS
from slotkd.structures import VideoDataSample


def draw_ssync(
    frames: UInt8[np.ndarray, 'T H W 3'],
    labels: tuple[Integer[np.ndarray, 'T h w'], Integer[np.ndarray, 'T h w']],
    merged: tuple[Integer[np.ndarray, 'T h w'], Integer[np.ndarray, 'T h w']],
    sets: tuple[Bool[np.ndarray, 'T h w'], Bool[np.ndarray, 'T h w']],
    *,
    names: list[str],
    title: str = '',
    long_side: int = 192,
) -> UInt8[np.ndarray, '_ _ 3']:
    """Draw a clip as a table, one row for each frame.

    Columns: frame; labels of encoder and decoder; the boundary set of the
    encoder and the interior set of the decoder, each token in the colour of
    the label that it teaches and all others dim; the encoder's labels after
    merging. A slot has one colour throughout.

    Args:
        frames: Frames of the clip.
        labels: Labels of encoder and decoder before merging.
        merged: The same after merging.
        sets: Boundary set and interior set.
        names: Label of each row.
        title: Line above all.
        long_side: Size of a panel in pixels, about.
    """
    boundary, interior = (
        np.where(chosen, taught, VOID)
        for chosen, taught in zip(sets, merged, strict=True)
    )
    columns = {
        'encoder': labels[0],
        'decoder': labels[1],
        'boundary set': boundary,
        'interior set': interior,
        'merged': merged[0],
    }
    return draw_clip(
        frames, columns, names=names, title=title, long_side=long_side
    )


@HOOKS.register_module()
class SSyncVisualizationHook(SlotVisualizationHook):
    """Draw what encoder and decoder teach each other in validation videos.

    Reads the maps that a model with ``keep_maps=True`` puts on its samples;
    see :func:`draw_ssync`.

    Args:
        ssync: Config of the loss ``SSyncLoss`` with the options in use.
        interval: Draw every so many videos.
        max_videos: Most videos drawn in one evaluation.
        max_frames: Most frames of a video, spread evenly over it.
        out_dir: Folder for ``<video>.png``; those of validations go to
            ``iter_<iteration>`` below it. None: visualizer only.
        long_side: Size of a panel in pixels, about.

    Source:
        Own design after the figures of Moon and Heo, SSync,
        arXiv:2606.15527.
    """

    def __init__(
        self,
        ssync: dict,
        *,
        interval: int = 1,
        max_videos: int = 4,
        max_frames: int = 4,
        out_dir: str | None = None,
        long_side: int = 192,
    ) -> None:
        super().__init__(
            interval,
            max_videos,
            max_frames=max_frames,
            out_dir=out_dir,
            draw_teacher=False,
            long_side=long_side,
        )
        self.ssync = MODELS.build(ssync)

    def _draw(
        self, runner: Runner, clip: Tensor, sample: VideoDataSample, name: str
    ) -> UInt8[np.ndarray, '_ _ 3']:
        if 'attn_logits' not in sample:
            raise ValueError(
                f'video {name!r} has no attn_logits; SSyncVisualizationHook '
                'needs a model with keep_maps=True'
            )
        logits = [
            maps.float().cpu()[None]
            for maps in (sample.attn_logits, sample.mask_logits)
        ]
        result = self.ssync.loss(*logits, sample.grid)
        picked = spread(len(clip), self.max_frames)

        def shown(tokens: Tensor) -> np.ndarray:
            return tokens[0, picked].unflatten(1, sample.grid).numpy()

        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        ids = sample.get('frame_ids', range(len(clip)))
        title = f'{name}, iteration {runner.iter}' if runner.iter else name
        share = result.stats['merged_share'].item()
        return draw_ssync(
            pixels(clip[picked], model),
            (shown(logits[0].argmax(2)), shown(logits[1].argmax(2))),
            (shown(result.labels_attn), shown(result.labels_masks)),
            (shown(result.boundary_mask), shown(result.interior_mask)),
            names=[str(ids[index]) for index in picked],
            title=f'{title}, {share:.0%} of the slots merged',
            long_side=self.long_side,
        )
