"""A hook that draws clips: truth, student's masks, teacher's masks."""

import logging
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from slotkd.atomic_file import write_atomically
from slotkd.engine.drawing import (
    contact_sheet,
    display_shape,
    draw_labels,
    encode_png,
    resize_frame,
    resize_labels,
)
from slotkd.registry import HOOKS
from slotkd.structures import VideoDataSample

Clip = UInt8[np.ndarray, 'T H W 3']
Masks = Integer[np.ndarray, 'T _ _']


def draw_clip(
    frames: Clip,
    masks: dict[str, Masks],
    *,
    names: Sequence[str],
    title: str = '',
    long_side: int = 256,
    background: Sequence[str] = ('truth',),
) -> UInt8[np.ndarray, '_ _ 3']:
    """Draw a clip as a table: time runs down, one column for each mask.

    Args:
        frames: The frames to show.
        masks: Heading of a column to labels of the same frames, of any
            size; they cover the frame edge to edge.
        names: Label of each row.
        title: Line above all.
        long_side: Size of a panel, about.
        background: Columns whose label 0 is background and stays clear.
    """
    shape = display_shape(frames.shape[1:3], long_side)
    rows = []
    for t, frame in enumerate(frames):
        image = resize_frame(frame, shape)
        drawn = [
            draw_labels(
                image,
                resize_labels(labels[t], shape),
                clear=(0,) if name in background else (),
            )
            for name, labels in masks.items()
        ]
        rows.append([image, *drawn])
    return contact_sheet(
        rows, columns=['frame', *masks], rows=names, title=title
    )


def spread(length: int, most: int) -> list[int]:
    """Pick at most so many frames, evenly from the first to the last."""
    places = np.linspace(0, length - 1, min(length, most))
    return [int(place) for place in np.rint(places)]


@HOOKS.register_module()
class SlotVisualizationHook(Hook):
    """Draw videos with truth, student and teacher side by side.

    During validation and test. The pixels come from the batch, so what is
    drawn is what the model saw. The pictures go to the visualizer's backends
    (TensorBoard, local files) and, if named, to ``out_dir``. Slot k has the
    same colour in every column. In distributed runs the main process draws
    its own share of the videos.

    Args:
        interval: Draw every so many videos.
        max_videos: Most videos drawn in one evaluation. A test with
            ``out_dir`` writes every video there; the visualizer gets no more
            than this even then.
        max_frames: Most frames of a video, spread evenly over it.
        out_dir: Folder for ``<video>.png``; those of validations go to
            ``iter_<iteration>`` below it. None: visualizer only.
        draw_teacher: Also run the teacher of a distiller on these videos.
            Where its file is missing, as in tests of a student alone, this
            is logged and the column left out.
        long_side: Size of a panel in pixels, about.

    Source:
        Own design; ``mmseg.SegVisualizationHook`` reads files again.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        interval: int = 1,
        max_videos: int = 4,
        *,
        max_frames: int = 6,
        out_dir: str | None = None,
        draw_teacher: bool = True,
        long_side: int = 256,
    ) -> None:
        for name, value in (
            ('interval', interval),
            ('max_videos', max_videos),
            ('max_frames', max_frames),
            ('long_side', long_side),
        ):
            if value < 1:
                raise ValueError(f'{name} must be at least 1, got {value}')
        self.interval = interval
        self.max_videos = max_videos
        self.max_frames = max_frames
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.draw_teacher = draw_teacher
        self.long_side = long_side
        self._places: Iterator[int] = count()

    def before_val_epoch(self, runner: Runner) -> None:
        """Count videos from zero."""
        self._places = count()

    def before_test_epoch(self, runner: Runner) -> None:
        """Count videos from zero."""
        self._places = count()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Draw videos of a validation batch."""
        folder = None
        if self.out_dir is not None:
            folder = self.out_dir / f'iter_{runner.iter:06d}'
        self._draw_batch(runner, data_batch, outputs, 'val', folder)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Draw videos of a test batch."""
        self._draw_batch(runner, data_batch, outputs, 'test', self.out_dir)

    def _draw_batch(
        self,
        runner: Runner,
        batch: dict | None,
        outputs: Sequence[BaseDataElement] | None,
        mode: str,
        folder: Path | None,
    ) -> None:
        if not is_main_process() or not batch or not outputs:
            return
        for clip, sample in zip(batch['inputs'], outputs, strict=True):
            place = next(self._places)
            shown = place // self.interval < self.max_videos
            wanted = shown or (mode == 'test' and folder is not None)
            if place % self.interval or not wanted:
                continue
            name = str(sample.get('video_id', f'video {place}'))
            sheet = self._draw(runner, clip, sample, name)
            safe = f'{place:03d}_{safe_name(name)}'
            if shown:
                key = f'{mode}_{safe}'
                runner.visualizer.add_image(key, sheet, step=runner.iter)
            if folder is not None:
                write_atomically(encode_png(sheet), folder / f'{safe}.png')

    def _draw(
        self, runner: Runner, clip: Tensor, sample: BaseDataElement, name: str
    ) -> UInt8[np.ndarray, '_ _ 3']:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        teacher = self._teacher(model)
        picked = spread(len(clip), self.max_frames)
        masks = {}
        if 'gt_masks' in sample:
            masks['truth'] = sample.gt_masks
        own = 'student' if hasattr(model, 'student') else 'model'
        masks[own] = sample.pred_masks
        if teacher is not None:
            masks['teacher'] = teacher_masks(model, teacher, clip, sample)
        ids = sample.get('frame_ids', range(len(clip)))
        return draw_clip(
            pixels(clip[picked], model),
            {key: value[picked].cpu().numpy() for key, value in masks.items()},
            names=[str(ids[index]) for index in picked],
            title=f'{name}, iteration {runner.iter}' if runner.iter else name,
            long_side=self.long_side,
        )

    def _teacher(self, model: nn.Module) -> nn.Module | None:
        """Return the teacher, or None where there is none to be had."""
        if not self.draw_teacher:
            return None
        try:
            return getattr(model, 'teacher', None)
        except FileNotFoundError as error:
            self.draw_teacher = False
            print_log(
                f'the teacher is not drawn: {error}',
                logger='current',
                level=logging.WARNING,
            )
            return None


@torch.no_grad()
def teacher_masks(
    model: BaseModel,
    teacher: nn.Module,
    clip: Tensor,
    sample: VideoDataSample,
) -> Integer[Tensor, 'T H W']:
    """Segment a clip with the teacher, at the size of the student's masks.

    The generators of random numbers are left as they were: what a run draws
    must not change what it computes.

    Args:
        model: The distiller, for its preprocessor.
        teacher: Model with mode ``'predict'``.
        clip: Frames as they come from the loader.
        sample: The student's sample; not changed.
    """
    blank = VideoDataSample(gt_masks=torch.zeros_like(sample.pred_masks))
    with torch.random.fork_rng():
        data = model.data_preprocessor(
            dict(inputs=[clip], data_samples=[blank]), False
        )
        (drawn,) = teacher(**data, mode='predict')
    return drawn.pred_masks


def pixels(clip: Tensor, model: BaseModel) -> Clip:
    """Turn frames of the loader (T, 3, H, W) into 8-bit RGB images."""
    preprocessor = model.data_preprocessor
    # The second name is mmengine's, hence mmdet's.
    swapped = getattr(preprocessor, '_channel_conversion', False)
    if getattr(preprocessor, 'bgr_to_rgb', swapped):
        clip = clip.flip(1)
    clip = clip.detach().cpu().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy())


def safe_name(name: str) -> str:
    """Replace what a file name should not hold."""
    return re.sub(r'[^\w.-]+', '_', name).strip('._') or 'video'
