"""Write what was found in a video: masks, overlay, summary; all or nothing."""

import json
import logging
import shutil
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8
from mmengine.logging import print_log

from slotkd.engine import draw_labels, encode_label_png

MASKS, OVERLAY, SUMMARY = 'masks', 'overlay.mp4', 'summary.json'
ENTRIES = (MASKS, OVERLAY, SUMMARY)
PARTIAL = '.slotkd-partial'
# The second is for builds of PyAV without x264.
CODECS = ('libx264', 'mpeg4')
CODEC_OPTIONS = {
    'libx264': {'crf': '18', 'preset': 'veryfast'},
    'mpeg4': {'qscale': '3'},
}


def check_out_dir(folder: str | Path, *, is_flat: bool = False) -> None:
    """Stop where results would mix with other files.

    A folder may be new, empty, or hold nothing but an earlier result of the
    same layout, which is then replaced as a whole.

    Args:
        folder: Where results go.
        is_flat: See :class:`ResultFolder`.

    Raises:
        ValueError: If it holds anything else; names one such entry.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f'out_dir {folder} is a file')
    if not folder.exists():
        return
    entries = {path.name for path in folder.iterdir()} - {PARTIAL}
    own = {OVERLAY, SUMMARY}
    own |= {n for n in entries if n.endswith('.png')} if is_flat else {MASKS}
    strange = sorted(entries - own)
    if entries and SUMMARY not in entries:
        strange = sorted(entries)
    masks = folder / MASKS
    if not strange and masks.is_dir():
        strange = [
            f'{MASKS}/{path.name}'
            for path in sorted(masks.iterdir())
            if path.suffix != '.png' or not path.is_file()
        ]
    if strange:
        raise ValueError(
            f'out_dir {folder} holds {strange[0]!r}, which is no part of an '
            'earlier result; name a new or empty folder'
        )


def result_folders(
    names: Sequence[str],
    out_dir: str | Path | None,
    several: bool,
    *,
    is_flat: bool = False,
) -> list[Path | None]:
    """Name and check the folder of each video's results.

    Args:
        names: Names of the videos.
        out_dir: Where the user wants the results, if at all.
        several: Whether each video gets a folder of its own in there.
        is_flat: See :class:`ResultFolder`.

    Raises:
        ValueError: If a folder holds other files or two are one.
    """
    if out_dir is None:
        return [None for _ in names]
    folder = Path(out_dir).expanduser()
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f'two inputs are named {min(twice)!r}, so both would be written '
            f'to {folder / min(twice)}'
        )
    folders = [folder / name if several else folder for name in names]
    for one in folders:
        check_out_dir(one, is_flat=is_flat)
    return list(folders)


def pick_codec() -> str:
    """Return the first of :data:`CODECS` that PyAV was built with.

    Raises:
        RuntimeError: If it has none.
    """
    for codec in CODECS:
        if codec in av.codecs_available:
            return codec
    raise RuntimeError(
        f'PyAV can encode none of {", ".join(CODECS)}; reinstall it from PyPI'
    )


class OverlayVideo:
    """Encode images of one size as an MP4 video.

    The last row and column of images with odd sides are repeated, since the
    encoders take whole 2x2 blocks.

    Args:
        path: The file.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.codec = pick_codec()
        if self.codec != CODECS[0]:
            print_log(
                f'PyAV has no {CODECS[0]}: {path.name} is written with '
                f'{self.codec}, which browsers do not play',
                logger='current',
                level=logging.WARNING,
            )
        self.rate = rate
        self._container = av.open(
            str(path), 'w', options={'movflags': 'faststart'}
        )
        self._stream: Any = None

    def add(self, image: UInt8[np.ndarray, 'H W 3']) -> None:
        """Append one frame."""
        height, width = image.shape[:2]
        image = np.pad(
            image, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge'
        )
        if self._stream is None:
            self._stream = self._container.add_stream(
                self.codec, rate=self.rate, options=CODEC_OPTIONS[self.codec]
            )
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt = 'yuv420p'
        frame = av.VideoFrame.from_ndarray(image, format='rgb24')
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def abandon(self) -> None:
        """Close the file, whatever state it is in."""
        try:
            self._container.close()
        except av.error.FFmpegError:
            return


class ResultFolder:
    """Masks, overlay and summary of one video, as a context.

    Everything is written below ``.slotkd-partial`` in the folder and moved
    into place by :meth:`finish`, the summary last; when the context is left
    without that, nothing remains and an earlier result is untouched.

    Args:
        folder: See :func:`check_out_dir`.
        rate: Frames per second of the overlay.
        is_flat: Put the masks beside overlay and summary, as the results of
            a DAVIS sequence lie, not into a folder ``masks``.
        clear: Labels that leave the overlay as it is.

    Raises:
        ValueError: If the folder holds other files.
    """

    def __init__(
        self,
        folder: str | Path,
        rate: Fraction,
        *,
        is_flat: bool = False,
        clear: Collection[int] = (),
    ) -> None:
        check_out_dir(folder, is_flat=is_flat)
        self.is_flat = is_flat
        self.clear = clear
        self.folder = Path(folder)
        self.overlay = self.folder / OVERLAY
        self.rate = rate
        self._names: list[str] = []

    def __enter__(self) -> 'ResultFolder':
        self._is_new = not self.folder.exists()
        self._partial = self.folder / PARTIAL
        shutil.rmtree(self._partial, ignore_errors=True)
        (self._partial / MASKS).mkdir(parents=True)
        self._video = OverlayVideo(self._partial / OVERLAY, self.rate)
        return self

    def __exit__(self, *exception: object) -> None:
        self._video.abandon()
        shutil.rmtree(self._partial, ignore_errors=True)
        if self._is_new and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def add(
        self,
        names: Sequence[str],
        frames: UInt8[np.ndarray, 'T H W 3'],
        masks: UInt8[np.ndarray, 'T H W'],
    ) -> None:
        """Write the masks of some frames and append them to the overlay."""
        for name, frame, labels in zip(names, frames, masks, strict=True):
            path = self._partial / MASKS / f'{name}.png'
            path.write_bytes(encode_label_png(labels))
            self._video.add(draw_labels(frame, labels, clear=self.clear))
            self._names.append(path.name)

    def finish(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Complete the files and move them into place.

        Args:
            summary: What is known of the run.

        Returns:
            The summary with the names of the files.
        """
        self._video.finish()
        summary = summary | dict(
            overlay=dict(
                file=OVERLAY,
                codec=self._video.codec,
                frames_per_s=float(self.rate),
            ),
            masks=[
                name if self.is_flat else f'{MASKS}/{name}'
                for name in self._names
            ],
        )
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        (self._partial / SUMMARY).write_text(f'{text}\n', encoding='utf-8')
        (self.folder / SUMMARY).unlink(missing_ok=True)
        if self.is_flat:
            self._move_masks()
        names = (OVERLAY, SUMMARY) if self.is_flat else ENTRIES
        for name in names:
            target = self.folder / name
            if target.is_dir():
                target.rename(self._partial / 'old')
            (self._partial / name).replace(target)
        return summary

    def _move_masks(self) -> None:
        """Replace the masks of an earlier result, frame by frame."""
        for old in self.folder.glob('*.png'):
            old.unlink()
        for name in self._names:
            (self._partial / MASKS / name).replace(self.folder / name)
