"""Clips of a report: masks in colours that agree between columns."""

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
from einops import rearrange
from jaxtyping import Float, Integer, UInt8
from PIL import Image
from scipy.optimize import linear_sum_assignment

from slotkd.engine.drawing import VOID, encode_png, slot_colors
from slotkd.engine.report_numbers import RUNS, score

TRUTH = 'ground truth'
SHADES = 4  # of one object: its colour and three for parts
OBJECTS = 62  # distinct colours in an 8-bit image of four shades
MIN_IOU = 0.1  # below this a slot is a part of something, not the object
SCORES = {'fg_ari': 'FG-ARI', 'mbo': 'mBO', 'miou': 'mIoU'}

Volume = Integer[np.ndarray, 'T H W']


@dataclass(frozen=True, kw_only=True)
class ReportClip:
    """One clip to show.

    Args:
        video_id: Its name.
        frames: The video in RGB.
        labels: Label volumes under ``'ground truth'`` (0 background, 255
            void) and, as slot of each pixel, under ``'teacher'``,
            ``'student'`` and ``'control'``.
        scores: Run -> metric -> value, for this clip alone.
    """

    video_id: str
    frames: UInt8[np.ndarray, 'T H W 3']
    labels: Mapping[str, Volume]
    scores: Mapping[str, Mapping[str, float | int]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        if TRUTH not in self.labels:
            raise ValueError(
                f'clip {self.video_id!r} has no {TRUTH!r} among its labels: '
                f'{sorted(self.labels)}'
            )
        for name, volume in self.labels.items():
            if name not in (TRUTH, *RUNS):
                raise ValueError(
                    f'clip {self.video_id!r}: labels of {name!r}, which is '
                    f'none of {", ".join((TRUTH, *RUNS))}'
                )
            if volume.shape != self.frames.shape[:3]:
                raise ValueError(
                    f'clip {self.video_id!r}: labels of {name!r} have shape '
                    f'{volume.shape}, the frames {self.frames.shape[:3]}'
                )


def match_colours(labels: Volume, true: Volume) -> UInt8[np.ndarray, 'T H W']:
    """Give each slot the colour of the object it stands for.

    Slots are matched one to one to true objects and to the background, by
    the largest sum of IoU over the clip. A slot that is left over, or whose
    IoU is below 0.1, is a part: it gets a further shade of the true label
    that it covers most.

    Args:
        labels: Slot of each pixel; any integers.
        true: Object of each pixel; 0 background, 255 void.

    Returns:
        Colour codes as of :func:`truth_codes`, plus 64 times the shade.
    """
    table, objects = _overlaps(labels, true)
    ranks = truth_codes(objects[:, None, None]).ravel()
    area = table.sum(0) + table.sum(1, keepdims=True) - table
    iou = table / np.maximum(area, 1)
    slots = np.unique(labels)
    codes = np.full(len(slots), -1)
    for row, column in zip(*linear_sum_assignment(-iou), strict=True):
        if iou[row, column] >= MIN_IOU:
            codes[column] = ranks[row]
    parts = dict.fromkeys(range(OBJECTS + 1), 0)
    for column in np.flatnonzero(codes < 0):
        rank = int(ranks[table[:, column].argmax()])
        codes[column] = rank + 64 * (1 + parts[rank] % (SHADES - 1))
        parts[rank] += 1
    return codes[np.searchsorted(slots, labels)].astype(np.uint8)


def truth_codes(true: Volume) -> UInt8[np.ndarray, 'T H W']:
    """Return the colour codes of the truth: 0, 1 to 62 in turn, 255 void."""
    codes = np.where(true == 0, 0, 1 + (true - 1) % OBJECTS)
    return np.where(true == VOID, VOID, codes).astype(np.uint8)


def _overlaps(
    labels: Volume, true: Volume
) -> tuple[Float[np.ndarray, 'O K'], Integer[np.ndarray, ' O']]:
    """Count the pixels of each true label, void left out, and slot."""
    objects, rows = np.unique(true, return_inverse=True)
    slots, columns = np.unique(labels, return_inverse=True)
    size = len(objects) * len(slots)
    cells = np.ravel(rows) * len(slots) + np.ravel(columns)
    table = np.bincount(cells, minlength=size).astype(np.float64)
    table = table.reshape(len(objects), len(slots))
    known = objects != VOID
    if not known.any():
        return np.zeros((1, len(slots))), np.zeros(1, dtype=int)
    return table[known], objects[known]


def code_colours() -> UInt8[np.ndarray, '256 4']:
    """Return red, green, blue and opacity of each colour code.

    The background is clear, its parts are translucent greys; so both suit a
    light and a dark page. Parts of an object are lighter and darker than
    the object.
    """
    rgba = np.zeros((SHADES, 64, 4))
    base = slot_colors(OBJECTS).astype(float)
    for shade, (goal, share) in enumerate(
        ((0, 0.0), (255, 0.55), (0, 0.42), (255, 0.8))
    ):
        rgba[shade, 1 : OBJECTS + 1, :3] = base + share * (goal - base)
        rgba[shade, 1 : OBJECTS + 1, 3] = 255
    rgba[1:, 0] = [[128, 128, 128, a] for a in (70, 130, 190)]
    flat = rgba.reshape(256, 4)
    flat[VOID] = (128, 128, 128, 255)
    return np.rint(flat).astype(np.uint8)


def encode_codes(codes: UInt8[np.ndarray, 'H W']) -> bytes:
    """Encode colour codes as a palette PNG with opacity."""
    rgba = code_colours()
    image = Image.fromarray(codes)
    image.putpalette(rgba[:, :3].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format='PNG', transparency=rgba[:, 3].tobytes())
    return buffer.getvalue()


def sprite(
    frames: UInt8[np.ndarray, 'T H W *c'],
) -> UInt8[np.ndarray, 'H2 W2 *c']:
    """Lay the frames of a clip out row by row in about a square."""
    columns = sprite_columns(len(frames))
    rows = math.ceil(len(frames) / columns)
    room = [(0, rows * columns - len(frames))] + [(0, 0)] * (frames.ndim - 1)
    padded = np.pad(frames, room)
    return rearrange(
        padded, '(r c) h w ... -> (r h) (c w) ...', r=rows, c=columns
    )


def sprite_columns(num_frames: int) -> int:
    """Return how many frames stand in one row of a sprite."""
    return math.ceil(math.sqrt(num_frames))


def clip_figure(clip: ReportClip) -> str:
    """Return the HTML figure of a clip: its video and a panel per column."""
    time, height, width = clip.frames.shape[:3]
    video = encode_png(sprite(clip.frames))
    panels = [_panel('video', video, f'Video {clip.video_id}', '')]
    panels += [
        _mask_panel(clip, name)
        for name in (TRUTH, *RUNS)
        if name in clip.labels
    ]
    objects = len(np.setdiff1d(clip.labels[TRUTH], (0, VOID)))
    name = escape(clip.video_id).replace('_', '_<wbr>')
    return (
        f'<figure class="clip" data-frames="{time}" data-width="{width}" '
        f'data-height="{height}" data-columns="{sprite_columns(time)}" '
        f'style="--ratio:{width}/{height};--columns:{sprite_columns(time)}">'
        f'<figcaption><b>{name}</b> {time} frames, '
        f'{objects} object{"" if objects == 1 else "s"}</figcaption>\n'
        f'{"".join(panels)}</figure>\n'
    )


def _mask_panel(clip: ReportClip, name: str) -> str:
    true = clip.labels[TRUTH]
    if name == TRUTH:
        codes = truth_codes(true)
    else:
        codes = match_colours(clip.labels[name], true)
    note = ', '.join(
        f'{SCORES.get(key, key)} {score(value)}'
        for key, value in clip.scores.get(name, {}).items()
    )
    alt = f'Masks of the {name} in {clip.video_id}'
    if note:
        alt += f': {note}'
    return _panel(name, encode_codes(sprite(codes)), alt, note)


def _panel(name: str, png: bytes, alt: str, note: str) -> str:
    data = base64.b64encode(png).decode()
    kind = f'run {name}' if name in RUNS else 'run'
    return (
        f'<div class="panel"><span class="{kind}">{name}</span>'
        f'<div class="view"><img alt="{escape(alt)}" '
        f'src="data:image/png;base64,{data}"></div>'
        f'<small>{escape(note)}</small></div>\n'
    )
