"""Draw where a mask propagator looks: its sampling points on memory frames.

One row for each test video: a frame with the predicted objects and one
query, the cell at the middle of an object; then each frame of the long-term
memory with the points that are read. A point is as large as the query's
weight on it; a line leads to it from its place on the regular grid.
"""

import argparse
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from slotkd.apis import init_model
from slotkd.engine import (
    OneLineParser,
    contact_sheet,
    draw_labels,
    encode_png,
    load_config,
    require_file,
    run_command,
    write_atomically,
)
from slotkd.engine.drawing import resize_labels
from slotkd.ops.deform_sample import normalize_points, reference_points
from slotkd.registry import DATASETS
from slotkd.structures import VosOutput

QUERY, POINT, LINE = (255, 255, 255), (255, 210, 40), (255, 110, 40)
Image8 = UInt8[np.ndarray, 'H W 3']


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='PNG file')
    parser.add_argument('--videos', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--frame', type=int, default=6)
    parser.add_argument('--side', type=int, default=288, help='pixels')
    return parser.parse_args()


def middle_cell(
    labels: Integer[Tensor, 'H W'], grid: tuple[int, int]
) -> tuple[int, int]:
    """Return the cell (row, column) nearest the middle of object 1.

    Where the frame has none, the middle of the frame.
    """
    found = torch.nonzero(labels == 1).float()
    height, width = labels.shape
    middle = torch.tensor([(height - 1) / 2, (width - 1) / 2])
    if len(found):
        middle = found.mean(dim=0)
    steps = torch.tensor(
        [(grid[0] - 1) / (height - 1), (grid[1] - 1) / (width - 1)]
    )
    row, column = (middle * steps).round().int().tolist()
    return row, column


def grid_points(count: int, grid: tuple[int, int]) -> Float[Tensor, 'M 2']:
    """Return the regular points of a memory frame with so many samples.

    Raises:
        ValueError: If no stride gives as many.
    """
    like = torch.zeros(1)
    for stride in (1, 2, 4):
        points = reference_points(grid, stride, like)
        if len(points) == count:
            return normalize_points(points, grid)
    raise ValueError(f'no stride gives {count} samples of a grid {grid}')


def draw_points(
    image: Image8,
    points: Float[Tensor, 'M 2'],
    regular: Float[Tensor, 'M 2'],
    weights: Float[Tensor, ' M'],
) -> Image8:
    """Draw points, as large as their weights, and how far they moved."""
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    height, width = image.shape[:2]
    scale = torch.tensor([width - 1, height - 1]) / 2
    ends = ((points.clamp(-1, 1) + 1) * scale).tolist()
    starts = ((regular + 1) * scale).tolist()
    share = (weights / weights.max().clamp(min=1e-12)).sqrt().tolist()
    for (x, y), (x0, y0), size in zip(ends, starts, share, strict=True):
        pen.line([(x0, y0), (x, y)], fill=LINE)
        radius = 1.5 + 0.02 * width * size
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, fill=POINT, outline=(0, 0, 0))
    return np.array(canvas)


def draw_query(
    image: Image8, cell: tuple[int, int], grid: tuple[int, int]
) -> Image8:
    """Draw the cell that reads."""
    canvas = Image.fromarray(image)
    height, width = image.shape[:2]
    y = cell[0] / (grid[0] - 1) * (height - 1)
    x = cell[1] / (grid[1] - 1) * (width - 1)
    half = (width - 1) / (grid[1] - 1) / 2
    ImageDraw.Draw(canvas).rectangle(
        (x - half, y - half, x + half, y + half), outline=QUERY, width=3
    )
    return np.array(canvas)


def memory_frames(model: Any, frame: int) -> list[int]:
    """Return which frames the long-term memory holds at a frame."""
    policy, times = model.propagator.policy, [0]
    for time in range(1, frame):
        if policy.is_due(time, max(times), False):
            times = [*times, time]
            times = [times[i] for i in policy.kept(len(times), 1)]
    return times


def row(
    model: Any, output: VosOutput, frames: list[Image8], frame: int
) -> list[Image8]:
    """Draw one video: the query, then each memory frame."""
    assert output.attn is not None and output.positions is not None
    attn = output.attn[-1][frame - 1][0]
    places = output.positions[-1][frame - 1][0]
    labels = output.labels[0, frame]
    cell = middle_cell(labels, output.grid)
    image = frames[frame]
    large = resize_labels(labels.numpy(), (image.shape[0], image.shape[1]))
    shown = draw_labels(image, large, clear=(0,))
    query = cell[0] * output.grid[1] + cell[1]
    regular = grid_points(places.shape[1], output.grid)
    panels = [draw_query(shown, cell, output.grid)]
    for f, time in enumerate(memory_frames(model, frame)):
        panels.append(
            draw_points(frames[time], places[f], regular, attn[query, f])
        )
    return panels


@torch.no_grad()
def main() -> None:
    """Draw the sheet."""
    args = parse_args()
    require_file(args.checkpoint, 'checkpoint')
    cfg = load_config(args.config)
    whole: Any = init_model(cfg, args.checkpoint)
    model = getattr(whole, 'student', whole)
    videos = DATASETS.build(cfg.test_dataloader.dataset)
    rows = []
    for index in args.videos:
        item = videos[index]
        data = dict(inputs=[item['inputs'][: args.frame + 1]])
        inputs = whole.data_preprocessor(data)['inputs']
        first = item['data_samples'].gt_masks[None, 0]
        first = first.masked_fill(first == 255, 0)
        size = (inputs.shape[3], inputs.shape[4])
        first = torch.nn.functional.interpolate(
            first[None].double(), size, mode='nearest-exact'
        )[0].long()
        output = model.run(inputs, first, first.flatten(1).amax(dim=1))
        frames = [
            enlarge(frame.permute(1, 2, 0).numpy().copy(), args.side)
            for frame in item['inputs'][: args.frame + 1]
        ]
        rows.append(row(model, output, frames, args.frame))
    times = memory_frames(model, args.frame)
    sheet = contact_sheet(
        rows,
        columns=[f'frame {args.frame}', *(f'memory: {t}' for t in times)],
        rows=[f'#{index}' for index in args.videos],
    )
    write_atomically(encode_png(sheet), args.out)


def enlarge(image: Image8, side: int) -> Image8:
    """Resize an image so that its short side has so many pixels."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    size = (round(scale * width), round(scale * height))
    return np.array(Image.fromarray(image).resize(size))


if __name__ == '__main__':
    run_command(main)
