"""Draw label maps: colours, overlays, contact sheets, palette images."""

import colorsys
import io
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from PIL import Image, ImageDraw, ImageFont

VOID = 255
# The first seven are easy to tell apart for colour-blind eyes as well.
COLORS = (
    '#e69f00',
    '#3fa7f0',
    '#12a373',
    '#e0484c',
    '#b07ae8',
    '#f2e24a',
    '#1f5fd0',
    '#f08cc0',
    '#8bd450',
    '#8c5a2b',
    '#22d3d3',
    '#b5179e',
)
INK, FAINT_INK, PAPER = (28, 32, 38), (120, 128, 138), (255, 255, 255)
GAP, GUTTER, LINE = 6, 40, 22

Frame = UInt8[np.ndarray, 'H W 3']
Labels = Integer[np.ndarray, 'H W']


def voc_palette() -> UInt8[np.ndarray, '256 3']:
    """Return the colour of each label in PASCAL VOC's and DAVIS' PNG files.

    Bit ``3 j + c`` of the label, counted from the lowest, is bit ``7 - j``
    of channel ``c``.

    Source:
        Everingham et al., The PASCAL VOC Challenge, IJCV 2010.
    """
    labels = np.arange(256)[:, None]
    palette = np.zeros((256, 3), dtype=np.int64)
    for j in range(3):
        palette |= ((labels >> (3 * j + np.arange(3))) & 1) << (7 - j)
    return palette.astype(np.uint8)


@cache
def slot_colors(count: int) -> UInt8[np.ndarray, '{count} 3']:
    """Return one bright colour for each slot; slot k has always the same.

    Past the table, hues advance by the golden ratio. Read-only.
    """
    colors = [_from_hex(text) for text in COLORS[:count]]
    for index in range(len(COLORS), count):
        hue = (0.05 + index * 0.61803398875) % 1
        value, saturation = ((0.95, 0.55), (0.75, 0.8))[index % 2]
        rgb = colorsys.hsv_to_rgb(hue, saturation, value)
        colors.append(tuple(round(255 * channel) for channel in rgb))
    table = np.array(colors, dtype=np.uint8).reshape(count, 3)
    table.flags.writeable = False
    return table


def encode_label_png(labels: Labels) -> bytes:
    """Encode labels as an 8-bit palette PNG; the index is the label.

    Raises:
        ValueError: If a label is not in 0 to 255.
    """
    low, high = labels.min(), labels.max()
    if low < 0 or high > VOID:
        raise ValueError(
            f'a palette image holds labels 0 to {VOID}, got {low} to {high}'
        )
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(voc_palette().tobytes())
    return _encode(image)


def encode_png(image: Frame) -> bytes:
    """Encode an RGB image as PNG."""
    return _encode(Image.fromarray(image))


def draw_labels(
    image: Frame,
    labels: Labels,
    *,
    clear: Collection[int] = (),
    opacity: float = 0.55,
) -> Frame:
    """Lay translucent colours and 1-pixel outlines over an image.

    Args:
        image: The frame.
        labels: Which of :func:`slot_colors` each pixel gets, from the start
            again above 255; void pixels (255) are dimmed.
        clear: Labels that leave the image as it is.
        opacity: Share of the colour inside a region; outlines are opaque.
    """
    labels = np.where(labels > VOID, labels % VOID, labels).astype(np.uint8)
    grey = np.array(Image.fromarray(image).convert('L'))
    drawn = _shades(opacity)[labels, grey]
    lines = outlines(labels) & (labels != VOID)
    drawn[lines] = _line_colors()[labels[lines]]
    if clear:
        untouched = np.isin(np.arange(256), list(clear))[labels]
        drawn[untouched] = image[untouched]
    return drawn


def outlines(labels: Labels) -> Bool[np.ndarray, 'H W']:
    """Mark pixels whose neighbour in any of 4 directions differs.

    Of two regions that touch, only the one with the higher label is marked,
    so that lines are one pixel wide.
    """
    marked = np.zeros(labels.shape, dtype=bool)
    marked[1:] |= labels[1:] > labels[:-1]
    marked[:-1] |= labels[:-1] > labels[1:]
    marked[:, 1:] |= labels[:, 1:] > labels[:, :-1]
    marked[:, :-1] |= labels[:, :-1] > labels[:, 1:]
    return marked


def display_shape(shape: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return the size to show a frame at, its long side about as wished.

    Small frames grow by a whole factor, which keeps their pixels square.
    """
    scale = long_side / max(shape)
    if scale > 2:
        scale = int(scale)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resize_frame(
    image: Frame, shape: tuple[int, int]
) -> UInt8[np.ndarray, '{shape[0]} {shape[1]} 3']:
    """Resize an image for display: sharp by whole factors, else smooth."""
    grows = all(
        new % old == 0 for new, old in zip(shape, image.shape[:2], strict=True)
    )
    method = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
    return np.array(Image.fromarray(image).resize(shape[::-1], method))


def resize_labels(
    labels: Labels, shape: tuple[int, int]
) -> Integer[np.ndarray, '{shape[0]} {shape[1]}']:
    """Resize labels by taking the pixel under each new pixel's centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def contact_sheet(
    panels: Sequence[Sequence[UInt8[np.ndarray, '_ _ 3']]],
    *,
    columns: Sequence[str],
    rows: Sequence[str],
    title: str = '',
) -> UInt8[np.ndarray, '_ _ 3']:
    """Arrange panels of one size in a table with labels.

    Args:
        panels: For each row, one image for each column.
        columns: Headings of the columns.
        rows: Labels at the left of the rows.
        title: Line above all.

    Raises:
        ValueError: If panels are missing or differ in size.
    """
    shapes = {panel.shape for row in panels for panel in row}
    counts = {len(row) for row in panels}
    if (
        len(shapes) != 1
        or counts != {len(columns)}
        or len(panels) != len(rows)
    ):
        raise ValueError(
            f'a sheet of {len(rows)} rows and {len(columns)} columns needs '
            f'panels of one size for each place, got {len(panels)} rows of '
            f'{sorted(counts)} panels of sizes {sorted(shapes)}'
        )
    height, width = shapes.pop()[:2]
    top = LINE * (2 if title else 1) + GAP
    size = (
        GUTTER + len(columns) * (width + GAP),
        top + len(rows) * (height + GAP),
    )
    sheet = Image.new('RGB', size, PAPER)
    _write_headings(sheet, width, top, columns=columns, title=title)
    pen = ImageDraw.Draw(sheet)
    for r, (name, row) in enumerate(zip(rows, panels, strict=True)):
        y = top + r * (height + GAP)
        _write(pen, (GUTTER - GAP, y + height // 2), name, 'rm', FAINT_INK)
        for c, panel in enumerate(row):
            x = GUTTER + c * (width + GAP)
            sheet.paste(Image.fromarray(panel), (x, y))
    return np.array(sheet)


@cache
def _shades(opacity: float) -> UInt8[np.ndarray, '256 256 3']:
    """Return what becomes of each grey level under each label.

    The image is grey below the colours, else one slot has many hues.
    """
    grey = np.arange(256, dtype=np.float32)[:, None]
    colors = np.zeros((256, 1, 3), dtype=np.float32)
    colors[:VOID, 0] = slot_colors(VOID)
    shades = grey * (1 - opacity) + colors * opacity
    shades[VOID] = grey * 0.3
    return np.rint(shades).astype(np.uint8)


@cache
def _line_colors() -> UInt8[np.ndarray, '255 3']:
    """Return outlines that also show on the colour of their own region."""
    return np.rint(0.65 * slot_colors(VOID) + 0.35 * 255).astype(np.uint8)


def _write_headings(
    sheet: Image.Image,
    width: int,
    top: int,
    *,
    columns: Sequence[str],
    title: str,
) -> None:
    pen = ImageDraw.Draw(sheet)
    if title:
        _write(pen, (GUTTER, LINE // 2 + 2), title, 'lm', INK)
    for c, name in enumerate(columns):
        x = GUTTER + c * (width + GAP)
        _write(pen, (x, top - LINE // 2), name, 'lm', FAINT_INK)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    anchor: str,
    color: tuple[int, int, int],
) -> None:
    font = ImageFont.load_default(13)
    pen.text(place, text, fill=color, font=font, anchor=anchor)


def _from_hex(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text.removeprefix('#')))


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format='PNG')
    return buffer.getvalue()
