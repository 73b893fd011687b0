"""Time and memory of SSync and of SRL against the number of tokens.

Writes OUT/ssync_cost.json and OUT/ssync_cost.png.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from slotkd.models.losses import deblur_loss, denoise_loss, ssync_loss
from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.video import SlotVideoModel

FRAMES = (4, 8, 16, 32)
SIDES = (24, 37)
TICKS = (2500, 5000, 10000, 20000, 40000)
SLOTS, FEAT_DIM, SLOT_DIM, NUM_NEAR = 11, 384, 64, 8
# Milliseconds of wjun0830/SSync@4cee41a (merging, sets, both losses, forward
# and backward; 8 clips of 4 frames) on one core: slots, grid side.
OFFICIAL_MS = {(11, 24): 29.0, (7, 37): 43.0}
COLORS = {
    'ssync': '#12a373',
    'srl exact': '#e0484c',
    'srl blocked': '#3fa7f0',
}


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/ssync'))
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument(
        '--max-tokens',
        type=int,
        default=12000,
        help='longest clip for SRL exact, which holds several matrices of '
        'tokens x tokens: 7.7 GB each at 32 frames of 37x37 (43808 tokens)',
    )
    parser.add_argument(
        '--max-tokens-blocked',
        type=int,
        default=12000,
        help='longest clip for SRL blocked, whose time is quadratic',
    )
    parser.add_argument(
        '--step',
        action='store_true',
        help='also time training steps of the MOVi-C model shape (2x4 frames '
        'of 336 px, ViT-S/14, 11 slots) with and without SSync',
    )
    return parser.parse_args()


def ssync_step(
    frames: int, side: int, device: str, clips: int = 1, slots: int = SLOTS
) -> Callable[[], None]:
    """Return forward and backward of both SSync losses on smooth maps."""
    attn, masks = (
        smooth_maps(clips, frames, slots, side, device) for _ in range(2)
    )

    def run() -> None:
        result = ssync_loss(attn, masks, (side, side), iou_thr=0.7)
        torch.autograd.grad(result.boundary + result.interior, (attn, masks))

    return run


def srl_step(
    frames: int, side: int, device: str, form: str
) -> Callable[[], None]:
    """Return forward and backward of SRL's two contrasts."""
    attn, masks = (
        smooth_maps(1, frames, SLOTS, side, device) for _ in range(2)
    )
    shape = (1, frames, side * side)
    recon, tokens = (
        torch.randn(*shape, SLOT_DIM, device=device, requires_grad=True)
        for _ in range(2)
    )
    target = torch.randn(*shape, SLOT_DIM, device=device)
    feats = torch.randn(*shape, FEAT_DIM, device=device)

    def run() -> None:
        loss = deblur_loss(recon, target, attn, form=form) + denoise_loss(
            tokens, feats, masks, num_near=NUM_NEAR, form=form
        )
        torch.autograd.grad(loss, (recon, tokens))

    return run


def smooth_maps(
    clips: int, frames: int, slots: int, side: int, device: str
) -> Tensor:
    """Return logits with connected regions, as trained maps have them."""
    coarse = torch.randn(clips * frames, slots, 6, 6, device=device)
    maps = torch.nn.functional.interpolate(
        coarse, size=(side, side), mode='bilinear'
    )
    maps = 3 * maps.reshape(clips, frames, slots, side * side)
    return maps.requires_grad_()


METHODS: dict[str, Callable[[int, int, str], Callable[[], None]]] = {
    'ssync': ssync_step,
    'srl exact': lambda t, s, d: srl_step(t, s, d, 'dense'),
    'srl blocked': lambda t, s, d: srl_step(t, s, d, 'blocked'),
}


def check_agreement(device: str) -> None:
    """Stop unless blocked equals exact and long clips equal short ones."""
    torch.manual_seed(0)
    values = []
    for form in ('dense', 'blocked'):
        torch.manual_seed(1)
        recon = torch.randn(2, 3, 50, 8, device=device).double()
        recon.requires_grad_()
        feats = torch.randn(2, 3, 50, 8, device=device).double()
        maps = torch.randn(2, 3, 5, 50, device=device)
        loss = deblur_loss(recon, feats, maps, form=form, block=16)
        loss = loss + denoise_loss(
            recon, feats, maps, num_near=4, form=form, block=16
        )
        values.append((loss, *torch.autograd.grad(loss, recon)))
    for exact, blocked in zip(*values, strict=True):
        torch.testing.assert_close(blocked, exact, rtol=1e-9, atol=1e-12)
    attn, masks = torch.randn(2, 1, 4, 5, 48, device=device)
    fine = ssync_loss(attn.double(), masks.double(), (6, 8), iou_thr=0.5)
    fast = ssync_loss(attn, masks, (6, 8), iou_thr=0.5)
    assert torch.equal(fine.boundary_mask, fast.boundary_mask)
    torch.testing.assert_close(fast.boundary.double(), fine.boundary)
    print('agreement: SRL blocked = exact; SSync fp32 = fp64 labels and sets')


def measure(run: Callable[[], None], repeats: int, device: str) -> dict:
    """Return the median of CPU milliseconds (GPU: wall) and peak bytes."""
    clock = time.process_time if device == 'cpu' else time.perf_counter
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = clock()
        run()
        if device != 'cpu':
            torch.cuda.synchronize()
        times.append(1000 * (clock() - start))
    return dict(
        ms=statistics.median(times[1:]),
        min_ms=min(times[1:]),
        peak_bytes=peak_bytes(run, device),
    )


def peak_bytes(run: Callable[[], None], device: str) -> int:
    """Return the most memory that one run holds beyond its inputs."""
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    with (
        silent_stderr(),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p,
    ):
        run()
    held = peak = 0
    events = p.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Hide what the profiler's C++ side writes at each start and stop."""
    kept = os.dup(2)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def sweep(args: argparse.Namespace) -> Iterator[dict]:
    """Measure every method at every size, and say what is left out."""
    limits = {
        'srl exact': args.max_tokens,
        'srl blocked': args.max_tokens_blocked,
    }
    sizes = sorted((t * s * s, t, s) for t in FRAMES for s in SIDES)
    for method, build in METHODS.items():
        for tokens, frames, side in sizes:
            if tokens > limits.get(method, tokens):
                print(
                    f'{method:12} {frames:2} x {side}x{side}: left out, '
                    f'{tokens} tokens > {limits[method]}'
                )
                continue
            torch.manual_seed(0)
            run = build(frames, side, args.device)
            quick = method == 'ssync' or tokens < 6000
            repeats = args.repeats if quick else 1
            row = dict(method=method, frames=frames, side=side, tokens=tokens)
            row |= measure(run, repeats, args.device)
            print(
                f'{method:12} {frames:2} x {side}x{side} {tokens:6} tokens: '
                f'{row["ms"]:10.2f} ms {row["peak_bytes"] / 2**20:9.2f} MiB'
            )
            yield row


def exponents(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Fit ``cost = a * tokens**b`` and return b for time and memory."""
    fits = {}
    for method in METHODS:
        chosen = [row for row in rows if row['method'] == method]
        tokens = np.log([row['tokens'] for row in chosen])
        fits[method] = {
            name: float(
                np.polyfit(tokens, np.log([row[key] for row in chosen]), 1)[0]
            )
            for name, key in (('time', 'min_ms'), ('memory', 'peak_bytes'))
        }
    return fits


def against_official(args: argparse.Namespace) -> list[dict]:
    """Time the shapes that the official loss code was timed at."""
    rows = []
    for (slots, side), official in OFFICIAL_MS.items():
        run = ssync_step(4, side, args.device, clips=8, slots=slots)
        cost = measure(run, 4 * args.repeats, args.device)
        rows.append(dict(slots=slots, side=side, official_ms=official, **cost))
        print(
            f'8 clips x 4 x {side}x{side}, {slots} slots: {cost["ms"]:.1f} ms '
            f'(min {cost["min_ms"]:.1f}); official {official:.0f} ms'
        )
    return rows


def training_step(args: argparse.Namespace) -> dict:
    """Time optimiser steps of the MOVi-C shape with and without SSync."""
    init_default_scope('slotkd')
    model = SlotVideoModel(
        dict(type='DinoViT', arch='small', allow_random=True),
        dict(type='FeatureMLP', feat_dim=FEAT_DIM, out_dim=SLOT_DIM),
        initializer=dict(
            type='LearnedInitializer', num_slots=SLOTS, slot_dim=SLOT_DIM
        ),
        corrector=dict(
            type='SlotAttention', slot_dim=SLOT_DIM, token_dim=SLOT_DIM
        ),
        predictor=dict(type='TransformerPredictor', slot_dim=SLOT_DIM),
        decoder=dict(
            type='MLPDecoder',
            slot_dim=SLOT_DIM,
            feat_dim=FEAT_DIM,
            grid=(24, 24),
        ),
    ).to(args.device)
    base = dict(
        recon=dict(type='FeatureReconstructionLoss'),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.5),
    )
    ssync = dict(ssync=dict(type='SSyncLoss', iou_thr=0.7))
    terms = {
        'base': LossTerms(base, ('output',)),
        'with ssync': LossTerms(base | ssync, ('output',)),
    }
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-4)
    clip = torch.randn(2, 4, 3, 336, 336, device=args.device)

    def step(name: str) -> Callable[[], None]:
        def run() -> None:
            optimizer.zero_grad()
            model.losses = terms[name]
            losses = model(clip, mode='loss')
            sum(v for k, v in losses.items() if 'loss' in k).backward()
            torch.nn.utils.clip_grad_norm_(trained, 0.05)
            optimizer.step()

        return run

    times: dict[str, list[float]] = {name: [] for name in terms}
    step('base')()
    for _ in range(args.repeats):  # in turn, so that drift hits both alike
        for name in terms:
            start = time.process_time()
            step(name)()
            if args.device != 'cpu':
                torch.cuda.synchronize()
            times[name].append(1000 * (time.process_time() - start))
    alone = measure(ssync_step(4, 24, args.device, clips=2), 20, args.device)
    result = {f'{name} ms': statistics.median(t) for name, t in times.items()}
    result['ssync alone ms'] = alone['ms']
    result['ssync share'] = alone['ms'] / result['base ms']
    result['step difference'] = result['with ssync ms'] / result['base ms'] - 1
    for name, value in result.items():
        print(f'training step, {name}: {value:.5g}')
    return result


def plot(
    rows: list[dict], fits: dict[str, dict[str, float]], path: Path
) -> None:
    """Draw time and memory over tokens, both axes logarithmic."""
    figure = Figure(figsize=(9, 3.6), layout='constrained')
    for axes, key, scale, label in zip(
        figure.subplots(1, 2),
        ('min_ms', 'peak_bytes'),
        (1.0, 2.0**20),
        ('forward + backward, ms', 'peak memory, MiB'),
        strict=True,
    ):
        for method, fit in fits.items():
            chosen = [row for row in rows if row['method'] == method]
            exponent = fit['time' if key == 'min_ms' else 'memory']
            axes.plot(
                [row['tokens'] for row in chosen],
                [row[key] / scale for row in chosen],
                marker='o',
                color=COLORS[method],
                label=f'{method}: tokens^{exponent:.2f}',
            )
        axes.set(xscale='log', yscale='log', xlabel='tokens of a clip')
        axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylabel(label)
        axes.grid(alpha=0.3, which='both')
        axes.legend(loc='center right')
    figure.savefig(path, dpi=110)


def main() -> None:
    """Check, measure, fit, write."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    check_agreement(args.device)
    report: dict = dict(
        device=args.device,
        threads=args.threads,
        machine=platform.processor() or platform.machine(),
        torch=torch.__version__,
        official=against_official(args),
    )
    rows = report['rows'] = list(sweep(args))
    fits = report['exponents'] = exponents(rows)
    for method, fit in fits.items():
        print(
            f'{method:12} time ~ tokens^{fit["time"]:.3f}, '
            f'memory ~ tokens^{fit["memory"]:.3f}'
        )
    if args.step:
        report['step'] = training_step(args)
    path = args.out / 'ssync_cost.json'
    path.write_text(json.dumps(report, indent=1) + '\n')
    plot(rows, fits, args.out / 'ssync_cost.png')
    print(f'wrote {path} and {path.with_suffix(".png")}')


if __name__ == '__main__':
    main()
