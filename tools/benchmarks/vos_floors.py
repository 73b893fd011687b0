"""Score two floors of mask propagation on videos in the layout of DAVIS.

Copying the first mask, and propagating it by the nearest neighbours of frozen
MobileNetV2 features in the first and the latest frames. Anything that is
trained must beat both.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Integer
from timing import write_json
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.datasets import PackVideoInputs, VideoFolderDataset
from slotkd.engine import OneLineParser, require_file, run_command
from slotkd.evaluation import DavisMetric
from slotkd.ops.aligned_resize import resize_aligned
from slotkd.ops.local_correlation import local_logits, read_local
from slotkd.ops.masks import pick_nearest
from slotkd.registry import MODELS

VOID = 255
# Name -> which map of MobileNetV2, computed at which stride.
LAYERS = {
    '32 channels, stride 8': (2, 8),
    '96 channels, stride 8': (4, 8),
    '64 channels, stride 16': (3, 16),
    '96 channels, stride 16': (4, 16),
    '320 channels, stride 16': (6, 16),
}
# Stride -> strides and dilations of MobileNetV2's seven stages.
STAGES = {
    8: ((1, 2, 2, 1, 1, 1, 1), (1, 1, 1, 2, 2, 4, 4)),
    16: ((1, 2, 2, 2, 1, 1, 1), (1, 1, 1, 1, 1, 2, 2)),
}


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('data_root', help='folder in the layout of DAVIS')
    parser.add_argument('checkpoint', help='weights of mmseg.MobileNetV2')
    parser.add_argument('--split', default='ImageSets/2017/val.txt')
    parser.add_argument('--radius', type=int, default=96, help='pixels')
    parser.add_argument('--neighbours', type=int, default=5)
    parser.add_argument('--recent', type=int, default=3, help='frames')
    parser.add_argument('--temperature', type=float, default=0.07)
    parser.add_argument('--out', type=Path, help='write a JSON file')
    return parser.parse_args()


def feature_model(layer: int, stride: int, checkpoint: str) -> nn.Module:
    """Return frozen MobileNetV2 features."""
    strides, dilations = STAGES[stride]
    model = MODELS.build(
        dict(
            type='ImageBackbone',
            backbone=dict(
                type='mmseg.MobileNetV2',
                strides=strides,
                dilations=dilations,
                out_indices=(layer,),
            ),
            init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
        )
    )
    model.init_weights()
    return model.eval()


def nearest_weights(
    logits: Float[Tensor, 'B P h w'], neighbours: int, temperature: float
) -> Float[Tensor, 'B P h w']:
    """Softmax over the largest logits of each cell; 0 for the others."""
    least = logits.topk(neighbours, dim=1).values[:, -1:]
    kept = logits.masked_fill(logits < least, -torch.inf)
    return (kept / temperature).softmax(dim=1)


@torch.no_grad()
def propagate(
    model: nn.Module,
    clip: Float[Tensor, 'T 3 H W'],
    first: Integer[Tensor, 'H W'],
    args: argparse.Namespace,
) -> Integer[Tensor, 'T H W']:
    """Copy the first mask along the nearest neighbours of features."""
    size = (first.shape[0], first.shape[1])
    memory: list[tuple[Tensor, Tensor]] = []
    labels = [first]
    for t, image in enumerate(clip):
        keys = F.normalize(model(image[None]), dim=1)
        if t == 0:
            cells = pick_nearest(first, (keys.shape[2], keys.shape[3]))
            value = F.one_hot(cells, int(first.max()) + 1)
            mask = value.movedim(2, 0)[None].float()
        else:
            radius = round(args.radius * keys.shape[3] / clip.shape[3])
            logits = torch.cat(
                [local_logits(keys, key, radius) for key, _ in memory],
                dim=1,
            )
            attn = nearest_weights(logits, args.neighbours, args.temperature)
            parts = attn.chunk(len(memory), dim=1)
            mask = torch.stack(
                [
                    read_local(part, value)
                    for part, (_, value) in zip(parts, memory, strict=True)
                ]
            ).sum(dim=0)
            maps = resize_aligned(mask, size)
            labels.append(maps[0].argmax(dim=0))
        recent = [*memory[1:], (keys, mask)][-args.recent :]
        memory = [*(memory[:1] or [(keys, mask)]), *(recent if t else [])]
    return torch.stack(labels)


def score(videos: Any, predict: Any) -> dict[str, float]:
    """Return J and F of a way to predict, over all videos."""
    metric = DavisMetric(protocol='semi-supervised')
    for video in videos:
        sample = video['data_samples']
        masks = sample.gt_masks
        first = masks[0].masked_fill(masks[0] == VOID, 0)
        sample.pred_masks = predict(video['inputs'], first)
        metric.process(None, [sample.to_dict()])
    return metric.compute_metrics(metric.results)


def main() -> None:
    """Score both floors."""
    args = parse_args()
    require_file(args.checkpoint, 'checkpoint')
    videos = VideoFolderDataset(
        args.data_root,
        [PackVideoInputs()],
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split=args.split,
    )
    floors = {
        'copy of the first mask': score(
            videos, lambda clip, first: first.expand(len(clip), -1, -1)
        )
    }
    for name, (layer, stride) in LAYERS.items():
        model = feature_model(layer, stride, args.checkpoint)
        floors[f'nearest neighbours, {name}'] = score(
            videos,
            lambda clip, first, model=model: propagate(
                model, (clip.float() - 127.5) / 127.5, first, args
            ),
        )
    for name, scores in floors.items():
        cells = ' '.join(
            f'{key} {100 * scores[key]:.1f}'
            for key in ('jf_mean', 'j_mean', 'f_mean')
        )
        print(f'{name}: {cells}')
    write_json(args.out, floors)


if __name__ == '__main__':
    run_command(main)
