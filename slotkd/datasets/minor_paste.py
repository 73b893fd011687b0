"""MinorPaste: paste tracks of rare classes into clips, whole and in time."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from mmcv.transforms import BaseTransform

from slotkd.datasets.class_balance import paste_rates
from slotkd.datasets.track_bank import SourceTrack, TrackBank
from slotkd.datasets.track_paste import (
    PasteOptions,
    blend,
    border_deviation,
    border_share,
    boxes_of,
    occluded,
    ping_pong,
    place_track,
)
from slotkd.registry import TRANSFORMS

MAX_BORDER = 0.25
SOURCES_TRIED = 10


@TRANSFORMS.register_module()
class MinorPaste(BaseTransform):
    """Paste annotated tracks into a clip, rare classes more often.

    A pasted track keeps its motion: it is cut from consecutive frames of
    another video, at the steps of this clip's frames, forwards and backwards
    where that video is too short, and gets one flip, scale, place and colour
    change for all frames. It lies in front; what it hides leaves the other
    masks. Draws come from numpy's global generator.

    Its place is behind the transforms that load frames and masks and before
    those that resize and flip. It reads and writes mmdet's lists ``img``,
    ``gt_masks``, ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_instances_ids``
    and ``gt_ignore_flags``.

    Args:
        ann_file: YTVIS or OVIS annotations of the training videos.
        frames_root: The folder that their ``file_names`` are relative to.
        prob: Probability of pasting into a clip at all.
        max_tracks: Most tracks pasted into a clip; the number is drawn
            evenly from 1.
        rule: See :func:`paste_rates`, as are the next two.
        beta: How strongly classes are evened out.
        max_oversample: Cap of the pasted tracks of a class.
        bgr: Whether ``img`` is in BGR, as mmdet loads it.
        paste: Options of :class:`PasteOptions`.

    Raises:
        ValueError: If an option is out of range or the annotations are
            broken.

    Source:
        The class-fair augmentation of Kim et al., OOKD, arXiv:2302.07516,
        whose mechanism is not published; Ghiasi et al., Simple Copy-Paste,
        CVPR 2021, arXiv:2012.07177, for whole tracks.
    """

    def __init__(
        self,
        ann_file: str,
        frames_root: str,
        *,
        prob: float | int = 0.5,
        max_tracks: int = 2,
        rule: str = 'water_fill',
        beta: float | int = 0.5,
        max_oversample: float | int = 20,
        bgr: bool = True,
        paste: dict | None = None,
    ) -> None:
        if not 0 <= prob <= 1 or max_tracks < 1:
            raise ValueError(
                'need prob in [0, 1] and max_tracks >= 1, got '
                f'{prob} and {max_tracks}'
            )
        self.bank = TrackBank(ann_file, Path(frames_root))
        self.max_tracks = max_tracks
        self.bgr = bgr
        self.options = PasteOptions(**(paste or {}))
        self.prob = float(prob)
        self.shares = np.zeros(len(self.bank.counts))
        if prob:
            rho = prob * (1 + max_tracks) / 2 / self.bank.tracks_per_video
            rates = paste_rates(
                self.bank.counts.tolist(),
                rho,
                rule=rule,
                beta=beta,
                max_oversample=max_oversample,
            )
            self.shares = rates.shares
            self.prob = prob * rates.kept

    def transform(self, results: dict) -> dict:
        """Paste into one clip; leave the lists given as they are.

        Args:
            results: mmdet's lists, and ``frame_id`` and ``video_id`` of each
                frame.
        """
        if not self.prob:
            return results
        rng = np.random.default_rng(np.random.randint(2**31))
        if rng.random() >= self.prob:
            return results
        for _ in range(rng.integers(1, self.max_tracks + 1)):
            found = self._draw(rng, results)
            if found is not None:
                label, frames, masks = found
                results = self._paste(results, label, frames, masks)
        return results

    def _draw(
        self, rng: np.random.Generator, results: dict
    ) -> (
        tuple[int, UInt8[np.ndarray, 'T H W 3'], Bool[np.ndarray, 'T H W']]
        | None
    ):
        """Draw a class, a track, its frames and its place."""
        label = int(rng.choice(len(self.shares), p=self.shares))
        sources = self.bank.sources[label]
        steps = np.asarray(results['frame_id'])
        height, width = results['img'][0].shape[:2]
        for _ in range(SOURCES_TRIED if sources else 0):
            source = sources[rng.integers(len(sources))]
            if str(source.video.id) == str(results['video_id'][0]):
                continue
            frames, masks = self._run(rng, source, steps - steps[0])
            if border_share(masks) > MAX_BORDER:
                continue
            placed = place_track(
                rng, frames, masks, (height, width), self.options
            )
            if placed is not None:
                return label, *placed
        return None

    def _run(
        self, rng: np.random.Generator, source: SourceTrack, steps: np.ndarray
    ) -> tuple[UInt8[np.ndarray, 'T h w 3'], Bool[np.ndarray, 'T h w']]:
        start = rng.integers(source.video.length)
        times = ping_pong(start + steps, source.video.length)
        frames, masks = self.bank.read(source, times.tolist())
        return (frames[..., ::-1] if self.bgr else frames), masks

    def _paste(
        self,
        results: dict,
        label: int,
        frames: UInt8[np.ndarray, 'T H W 3'],
        masks: Bool[np.ndarray, 'T H W'],
    ) -> dict:
        """Return new lists with one track more."""
        ids = np.concatenate(results['gt_instances_ids'])
        new = dict(
            gt_bboxes_labels=label,
            gt_instances_ids=max(ids.max(initial=0) + 1, 1),
            gt_ignore_flags=False,
        )
        blur = border_deviation(masks.shape[1:], self.options)
        changed: dict[str, list[Any]] = {
            key: list(results[key])
            for key in ('img', 'gt_masks', 'gt_bboxes', *new)
        }
        for t, mask in enumerate(masks):
            if mask.sum() < max(self.options.min_pixels, 1):
                continue
            changed['img'][t] = blend(changed['img'][t], frames[t], mask, blur)
            bitmaps = changed['gt_masks'][t]
            left, seen = occluded(
                bitmaps.masks.astype(bool), mask, self.options
            )
            kept = np.concatenate([left[seen], mask[None]])
            changed['gt_masks'][t] = type(bitmaps)(
                kept.astype(np.uint8), *mask.shape
            )
            changed['gt_bboxes'][t] = boxes_of(kept)
            for key, value in new.items():
                old = changed[key][t]
                changed[key][t] = np.append(old[seen], value).astype(old.dtype)
        return results | changed
