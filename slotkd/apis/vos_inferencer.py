"""VosInferencer: follows given objects through videos of any length."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import UInt8
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.utils import ProgressBar

from slotkd.apis.frame_pipeline import build_test_pipeline, pack_frames
from slotkd.apis.frame_sources import FrameSource, open_source
from slotkd.apis.mask_sources import MaskSource, open_masks
from slotkd.apis.result_folder import ResultFolder, result_folders
from slotkd.apis.segments import UNSEEN, Segment, VosTally
from slotkd.apis.student import init_student
from slotkd.datasets import FrameGeometry
from slotkd.engine import draw_labels
from slotkd.models.video import VosModel, VosTracker
from slotkd.models.video.vos_tracker import nearest_labels, new_labels
from slotkd.registry import INFERENCERS
from slotkd.structures import VideoDataSample

Input = str | Path | np.ndarray
Masks = str | Path | np.ndarray | Callable[[np.ndarray], np.ndarray]
BACKGROUND = 0


@INFERENCERS.register_module()
class VosInferencer(BaseInferencer):
    """Follow objects through videos, with masks at the size of the input.

    Size and normalisation of the frames are those of the config's
    ``test_pipeline`` and ``data_preprocessor``. Frames go through one at a
    time and none depends on a later one; memory does not grow with the
    length of the video unless masks are returned.

    Args:
        config: Config of a mask-propagation model or of a distiller, whose
            student is used and whose teacher is not needed; or its path.
        checkpoint: Path or URL of its weights, see
            :func:`slotkd.apis.student.init_student`.
        device: Where to run.
        frame_rate: Frames per second of overlays where the input has none.
        show_progress: Show a progress bar on the standard output.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If config and checkpoint do not fit, or the model does
            not propagate masks.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = None,
        device: str | torch.device = 'cpu',
        *,
        frame_rate: float | int = 10,
        show_progress: bool = False,
    ) -> None:
        if frame_rate <= 0:
            raise ValueError(f'frame_rate must be above 0, got {frame_rate}')
        self.model = cast(Any, init_student(config, checkpoint, device))
        self.cfg: Config = self.model.cfg
        if not isinstance(self.model, VosModel):
            raise ValueError(
                f'{self.cfg.filename or "config"}: '
                f'{type(self.model).__name__} does not propagate masks, a '
                'VosModel does'
            )
        self.pipeline = self._init_pipeline(self.cfg)
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        self.frame_rate = Fraction(frame_rate).limit_denominator(1001)
        self.show_progress = show_progress

    def __call__(
        self,
        inputs: Input | Sequence[Input],
        masks: Masks | Sequence[Masks],
        out_dir: str | Path | None = None,
        *,
        return_masks: bool = True,
        return_vis: bool = False,
    ) -> dict[str, list]:
        """Follow the objects of one or several videos.

        Args:
            inputs: A video file, a folder of frames, an image, or 8-bit RGB
                frames (T, H, W, 3); or a list of such inputs.
            masks: The objects of the input, see
                :func:`slotkd.apis.mask_sources.open_masks`; for a list of
                inputs, a list as long. Of an object that is followed
                already, no mask is read.
            out_dir: Folder for ``<frame>.png``, ``overlay.mp4`` and
                ``summary.json``; for a list of inputs, a folder for each by
                its name below this one, which is the layout of DAVIS
                results. It must be new, empty, or hold an earlier result,
                which is replaced.
            return_masks: Return the masks, one byte for each pixel; without
                them a video may be longer than memory.
            return_vis: Return the frames with objects drawn over them.

        Returns:
            ``predictions``: for each input a
            :class:`slotkd.structures.VideoDataSample` with ``pred_masks``
            (T, H, W), labels as given, and what ``summary.json`` says as
            metainfo. ``visualization``: for each input the drawn frames (T,
            H, W, 3) if asked for, else the path of the overlay or None.

        Raises:
            ValueError: If an input or a mask cannot be read, they do not
                fit, or ``out_dir`` holds other files; names the file.
        """
        videos, given = _pairs(inputs, masks)
        sources = [open_source(video) for video in videos]
        objects = [open_masks(one) for one in given]
        folders = result_folders(
            [source.name for source in sources],
            out_dir,
            several=isinstance(inputs, list | tuple),
            is_flat=True,
        )
        results = [
            self.forward(
                (source, mask_source),
                folder=folder,
                return_masks=return_masks,
                return_vis=return_vis,
            )
            for source, mask_source, folder in zip(
                sources, objects, folders, strict=True
            )
        ]
        predictions, visualization = map(list, zip(*results, strict=True))
        return self.postprocess(predictions, visualization)

    def forward(
        self,
        inputs: tuple[FrameSource, MaskSource],
        *,
        folder: Path | None,
        return_masks: bool,
        return_vis: bool,
    ) -> tuple[VideoDataSample, Any]:
        """Follow the objects of one video; see :meth:`__call__`.

        Returns:
            The prediction and what is drawn.
        """
        source, mask_source = inputs
        masks, drawn = [], []
        tally, tracker = VosTally(), VosTracker(self.model)
        with ExitStack() as stack:
            result = None
            if folder is not None:
                rate = source.rate or self.frame_rate
                result = stack.enter_context(
                    ResultFolder(
                        folder, rate, is_flat=True, clear=(BACKGROUND,)
                    )
                )
            for segment in self.follow(source, mask_source, tracker):
                tally.add(segment)
                if result is not None:
                    result.add(segment.names, segment.frames, segment.masks)
                if return_masks:
                    masks.append(torch.from_numpy(segment.masks))
                if return_vis:
                    drawn.extend(self.visualize(segment.frames, segment.masks))
            summary = dict(
                input=source.path or source.name,
                kind=source.kind,
                given=mask_source.origin,
                **tally.as_dict(tracker.ids[1:]),
                config=self.cfg.filename,
                checkpoint=self.checkpoint,
                device=str(next(self.model.parameters()).device),
            )
            if result is not None:
                summary = result.finish(summary)
        sample = VideoDataSample(metainfo=summary | {'video_id': source.name})
        if return_masks:
            sample.pred_masks = torch.cat(masks)
        if return_vis:
            return sample, np.stack(drawn)
        return sample, None if result is None else str(result.overlay)

    def follow(
        self,
        source: FrameSource,
        mask_source: MaskSource,
        tracker: VosTracker | None = None,
    ) -> Iterator[Segment]:
        """Go through a video and yield one frame with its masks at a time.

        Args:
            source: See :func:`slotkd.apis.frame_sources.open_source`.
            mask_source: See :func:`slotkd.apis.mask_sources.open_masks`.
            tracker: Knows the objects so far; a new one if None.

        Raises:
            ValueError: If no frame of the video was given an object.
        """
        tracker = tracker or VosTracker(self.model)
        bar = ProgressBar(source.length or 0) if self.show_progress else None
        for index, (names, frames) in enumerate(source.chunks(1)):
            given = mask_source.at(index, names[0], frames[0])
            begin = time.perf_counter()
            labels, size = self._step(tracker, frames, given, source.name)
            yield Segment(
                names=names,
                frames=frames,
                masks=labels[None],
                network_size=size,
                seconds=time.perf_counter() - begin,
            )
            if bar is not None:
                bar.update()
        if bar is not None:
            bar.file.write('\n')
        if len(tracker.ids) == 1:
            raise ValueError(
                f'{source.path or source.name}: no frame was given an object '
                f'by {mask_source.origin}; masks in a folder have the names '
                'of their frames'
            )

    def visualize(
        self,
        inputs: UInt8[np.ndarray, 'T H W 3'],
        preds: UInt8[np.ndarray, 'T H W'],
    ) -> list[UInt8[np.ndarray, 'H W 3']]:
        """Draw masks over frames."""
        return [
            draw_labels(frame, labels, clear=(BACKGROUND,))
            for frame, labels in zip(inputs, preds, strict=True)
        ]

    def postprocess(
        self, preds: list[VideoDataSample], visualization: list
    ) -> dict[str, list]:
        """Pack what :meth:`__call__` returns."""
        return dict(predictions=preds, visualization=visualization)

    def _init_pipeline(self, cfg: Config) -> list:
        return build_test_pipeline(cfg)

    @torch.no_grad()
    def _step(
        self,
        tracker: VosTracker,
        frames: UInt8[np.ndarray, '1 H W 3'],
        given: UInt8[np.ndarray, 'H W'] | None,
        name: str,
    ) -> tuple[UInt8[np.ndarray, 'H W'], tuple[int, int]]:
        """Return the labels of a frame at its size, and the network's size."""
        packed = pack_frames(
            self.pipeline,
            frames,
            video_id=name,
            config_name=self.cfg.filename or 'config',
            masks=None if given is None else given[None],
        )
        sample = packed['data_samples']
        data = self.model.data_preprocessor(
            dict(inputs=[packed['inputs']], data_samples=[sample]), False
        )
        image = data['inputs'][0, 0]
        shape = (image.shape[1], image.shape[2])
        known = list(tracker.ids)
        seen = None
        if given is not None:
            seen = nearest_labels(sample.gt_masks[0].to(image.device), shape)
        frame = tracker.step(image, seen)
        geometry = FrameGeometry.from_results(sample.metainfo)
        channels = geometry.masks_to_original(frame.probs[None], fill=UNSEEN)
        table = np.full(256, UNSEEN, np.uint8)
        table[: len(frame.ids)] = frame.ids
        labels = table[channels[0].cpu().numpy()]
        if given is not None:
            new = new_labels(torch.from_numpy(given.astype(np.int64)), known)
            taken = np.isin(
                given, [label for label in new if label in frame.ids]
            )
            labels[taken] = given[taken]
        return labels, shape


def _pairs(inputs: Any, masks: Any) -> tuple[list, list]:
    """Return videos and their masks as lists of one length."""
    if not isinstance(inputs, list | tuple):
        return [inputs], [masks]
    if not isinstance(masks, list | tuple) or len(masks) != len(inputs):
        count = len(masks) if isinstance(masks, list | tuple) else 'one'
        raise ValueError(
            f'{len(inputs)} inputs need a list of as many masks, got {count}'
        )
    return list(inputs), list(masks)
