"""What SlotMatch costs beyond a student step and a teacher forward.

A step is forward, losses, backward, clipping and Adam on random clips with
random frozen backbones (ViT-S/14 student, ViT-B/14 teacher).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from timing import machine, print_times, take_turns, write_json
from torch import nn

from slotkd.models.distillers import Distiller
from slotkd.registry import MODELS

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
PATCH = 14


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', choices=['ytvis', 'movi_e'], default='ytvis')
    parser.add_argument('--clips', type=int, default=1)
    parser.add_argument('--frames', type=int, default=4)
    parser.add_argument(
        '--size', type=int, default=224, help='side of a frame, in pixels'
    )
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    return parser.parse_args()


def build(name: str, size: int) -> nn.Module:
    """Build a shipped model with random weights at a size of frames."""
    config = Config.fromfile(BASES / f'{name}.py')[name]
    config.backbone.update(init_cfg=None, allow_random=True)
    config.decoder.grid = (size // PATCH, size // PATCH)
    return MODELS.build(config)


def make_distiller(args: argparse.Namespace) -> Distiller:
    """Build student and teacher of one data set with slot distillation."""
    student = build(f'slot_dinov2_s14_{args.data}', args.size)
    teacher = build(f'slot_dinov2_b14_{args.data}', args.size)
    slot_match = dict(
        type='SlotMatchLoss',
        student_dim=student.slot_dim,
        teacher_dim=teacher.slot_dim,
    )
    return Distiller(
        student, teacher, distill_losses=dict(slot_match=slot_match)
    )


def make_cases(
    distiller: Distiller, clips: torch.Tensor
) -> dict[str, Callable[[], object]]:
    """Return what is timed."""
    student, teacher = distiller.student, distiller.teacher
    trained = [p for p in student.parameters() if p.requires_grad]
    adam = torch.optim.Adam(trained, lr=1e-6)

    def train(model: nn.Module) -> None:
        losses = model(clips, mode='loss')
        sum(v for k, v in losses.items() if k.startswith('loss')).backward()
        nn.utils.clip_grad_norm_(trained, 0.05)
        adam.step()
        adam.zero_grad()

    @torch.no_grad()
    def teach(*fields: str) -> None:
        teacher.run(clips, fields)

    def train_and_teach() -> None:
        train(student)
        teach('slots')

    return {
        'student step': lambda: train(student),
        'teacher, slots': lambda: teach('slots'),
        'teacher, decoded': lambda: teach('slots', 'recon'),
        'student step + teacher': train_and_teach,
        'distillation step': lambda: train(distiller),
    }


def main() -> None:
    """Time, compare and write."""
    args = parse_args()
    init_default_scope('slotkd')
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    distiller = make_distiller(args).to(args.device)
    side = args.size // PATCH * PATCH
    clips = torch.randn(
        args.clips, args.frames, 3, side, side, device=args.device
    )
    cases = make_cases(distiller, clips)
    times = take_turns(cases, args.repeats, device=args.device)
    print_times(times)
    keys = times['student step']
    overhead = {
        k: times['distillation step'][k] / times['student step + teacher'][k]
        - 1
        for k in keys
    }
    saved = {
        k: times['teacher, decoded'][k] / times['teacher, slots'][k]
        for k in keys
    }
    print(
        'overhead beyond student step + teacher:',
        {k: f'{v:+.1%}' for k, v in overhead.items()},
    )
    print(
        'teacher with its decoder / without:',
        {k: round(v, 2) for k, v in saved.items()},
    )
    facts = {k: v for k, v in vars(args).items() if k != 'out'}
    result = dict(facts, machine=machine(args.device), times=times)
    result |= dict(overhead=overhead, teacher_decoder_ratio=saved)
    write_json(args.out, result)


if __name__ == '__main__':
    main()
