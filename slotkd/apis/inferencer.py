"""SlotInferencer: segments videos of any length with a trained model."""

import time
from collections.abc import Iterator, Sequence
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
from slotkd.apis.result_folder import ResultFolder, result_folders
from slotkd.apis.segments import UNSEEN, Segment, Tally
from slotkd.apis.student import init_student
from slotkd.datasets import FrameGeometry
from slotkd.engine import draw_labels
from slotkd.registry import INFERENCERS
from slotkd.structures import SlotState, VideoDataSample

Input = str | Path | np.ndarray


@INFERENCERS.register_module()
class SlotInferencer(BaseInferencer):
    """Segment videos into slots, with masks at the size of the input.

    Size and normalisation of the frames are those of the config's
    ``test_pipeline`` and ``data_preprocessor``. Frames are read and
    segmented a few at a time while the slots are carried on, so memory does
    not grow with the length of the video unless masks are returned.

    Args:
        config: Config of a slot model or of a distiller, whose student is
            used and whose teacher is not needed; or the path of one.
        checkpoint: Path or URL of its weights, see
            :func:`slotkd.apis.student.init_student`.
        device: Where to run.
        frame_rate: Frames per second of overlays where the input has none.
        seed: Seed of initial slots that are drawn at random; each video
            starts from it.
        show_progress: Show a progress bar on the standard output.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If config and checkpoint do not fit, or a mask cannot
            hold as many labels as the model has slots.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = None,
        device: str | torch.device = 'cpu',
        *,
        frame_rate: float | int = 10,
        seed: int = 0,
        show_progress: bool = False,
    ) -> None:
        if frame_rate <= 0:
            raise ValueError(f'frame_rate must be above 0, got {frame_rate}')
        self.model = cast(Any, init_student(config, checkpoint, device))
        self.cfg: Config = self.model.cfg
        self.pipeline = self._init_pipeline(self.cfg)
        if not hasattr(self.model, 'stream'):
            raise ValueError(
                f'{type(self.model).__name__} cannot go through a video in '
                'parts: it has no method stream'
            )
        if self.model.num_slots > UNSEEN:
            raise ValueError(
                f'8-bit masks hold {UNSEEN} slots, the model has '
                f'{self.model.num_slots}'
            )
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        self.frame_rate = Fraction(frame_rate).limit_denominator(1001)
        self.seed = seed
        self.show_progress = show_progress

    def __call__(
        self,
        inputs: Input | Sequence[Input],
        batch_size: int = 8,
        out_dir: str | Path | None = None,
        *,
        return_masks: bool = True,
        return_vis: bool = False,
    ) -> dict[str, list]:
        """Segment one or several videos.

        Args:
            inputs: A video file, a folder of frames, an image, or 8-bit RGB
                frames (T, H, W, 3); or a list of such inputs.
            batch_size: Frames of a video that go through the network at
                once; makes no difference to the result.
            out_dir: Folder for ``masks/<frame>.png``, ``overlay.mp4`` and
                ``summary.json``; for a list of inputs, a folder for each by
                its name below this one. It must be new, empty, or hold an
                earlier result, which is replaced. Nothing of a video is left
                if its run fails.
            return_masks: Return the masks, one byte for each pixel; without
                them a video may be longer than memory.
            return_vis: Return the frames with slots drawn over them.

        Returns:
            ``predictions``: for each input a
            :class:`slotkd.structures.VideoDataSample` with ``pred_masks``
            (T, H, W) and what ``summary.json`` says as metainfo.
            ``visualization``: for each input the drawn frames (T, H, W, 3)
            if asked for, else the path of the overlay or None.

        Raises:
            ValueError: If an input cannot be read or ``out_dir`` holds other
                files; names the file.
        """
        if batch_size < 1:
            raise ValueError(
                f'batch_size must be at least 1, got {batch_size}'
            )
        if isinstance(inputs, str | Path | np.ndarray):
            sources = [open_source(inputs)]
            folders = result_folders(
                [source.name for source in sources], out_dir, several=False
            )
        else:
            sources = [open_source(one) for one in inputs]
            folders = result_folders(
                [source.name for source in sources], out_dir, several=True
            )
        predictions, visualization = [], []
        for source, folder in zip(sources, folders, strict=True):
            sample, drawn = self.forward(
                source,
                batch_size=batch_size,
                folder=folder,
                return_masks=return_masks,
                return_vis=return_vis,
            )
            predictions.append(sample)
            visualization.append(drawn)
        return self.postprocess(predictions, visualization)

    def forward(
        self,
        inputs: FrameSource,
        *,
        batch_size: int,
        folder: Path | None,
        return_masks: bool,
        return_vis: bool,
    ) -> tuple[VideoDataSample, Any]:
        """Segment one video; see :meth:`__call__`.

        Returns:
            The prediction and what is drawn.
        """
        masks, drawn = [], []
        tally = Tally(self.model.num_slots)
        with ExitStack() as stack:
            result = None
            if folder is not None:
                rate = inputs.rate or self.frame_rate
                result = stack.enter_context(ResultFolder(folder, rate))
            for segment in self.segment(inputs, batch_size):
                tally.add(segment)
                if result is not None:
                    result.add(segment.names, segment.frames, segment.masks)
                if return_masks:
                    masks.append(torch.from_numpy(segment.masks))
                if return_vis:
                    drawn.extend(self.visualize(segment.frames, segment.masks))
            summary = self._summary(inputs, tally)
            if result is not None:
                summary = result.finish(summary)
        sample = VideoDataSample(metainfo=summary | {'video_id': inputs.name})
        if return_masks:
            sample.pred_masks = torch.cat(masks)
        if return_vis:
            return sample, np.stack(drawn)
        return sample, None if result is None else str(result.overlay)

    def segment(
        self, source: FrameSource, batch_size: int = 8
    ) -> Iterator[Segment]:
        """Go through a video and yield the masks of a few frames at a time.

        Args:
            source: See :func:`slotkd.apis.frame_sources.open_source`.
            batch_size: Most frames of a segment.
        """
        bar = None
        if self.show_progress:
            bar = ProgressBar(source.length or 0)
        state = None
        for names, frames in source.chunks(batch_size):
            begin = time.perf_counter()
            masks, state, size = self._segment(frames, state, source.name)
            yield Segment(
                names=names,
                frames=frames,
                masks=masks,
                network_size=size,
                seconds=time.perf_counter() - begin,
            )
            if bar is not None:
                bar.update(len(names))
        if bar is not None:
            bar.file.write('\n')

    def visualize(
        self,
        inputs: UInt8[np.ndarray, 'T H W 3'],
        preds: UInt8[np.ndarray, 'T H W'],
    ) -> list[UInt8[np.ndarray, 'H W 3']]:
        """Draw masks over frames."""
        return [
            draw_labels(frame, labels)
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
    def _segment(
        self,
        frames: UInt8[np.ndarray, 'T H W 3'],
        state: SlotState | None,
        name: str,
    ) -> tuple[UInt8[np.ndarray, 'T H W'], SlotState, tuple[int, int]]:
        """Return masks, the state for the next frames, the network's size."""
        packed = pack_frames(
            self.pipeline,
            frames,
            video_id=name,
            config_name=self.cfg.filename or 'config',
        )
        sample = packed['data_samples']
        data = self.model.data_preprocessor(
            dict(inputs=[packed['inputs']], data_samples=[sample]), False
        )
        name = self.model.predict_from
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            output, state = self.model.stream(data['inputs'], state, (name,))
        maps = getattr(output, name)[0].unflatten(-1, output.grid)
        geometry = FrameGeometry.from_results(sample.metainfo)
        labels = geometry.masks_to_original(maps, fill=UNSEEN)
        masks = labels.to(torch.uint8).cpu().numpy()
        return masks, state, tuple(data['inputs'].shape[-2:])

    def _summary(self, source: FrameSource, tally: Tally) -> dict[str, Any]:
        return dict(
            input=source.path or source.name,
            kind=source.kind,
            **tally.as_dict(),
            config=self.cfg.filename,
            checkpoint=self.checkpoint,
            device=str(next(self.model.parameters()).device),
        )
