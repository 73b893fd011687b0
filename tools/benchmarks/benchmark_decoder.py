"""Time of the MLP decoder against the plain one, which equals it.

The plain decoder runs its first layer on slot + position of every row and
projects every row to features before mixing. First both must agree in
values and gradients.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from timing import machine, print_times, take_turns, write_json
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.slots import MLPDecoder
from slotkd.ops.broadcast_decode import broadcast_decode_plain

SLOT_DIM, FEAT_DIM = 64, 384
TOLERANCE = 1e-5
Decode = Callable[[MLPDecoder, Tensor], tuple[Tensor, Tensor]]


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=4)
    parser.add_argument('--tokens', type=int, default=256)
    parser.add_argument('--slots', type=int, default=11)
    parser.add_argument(
        '--hidden', type=int, nargs='+', default=[1024, 1024, 1024]
    )
    parser.add_argument('--repeats', type=int, default=10)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    return parser.parse_args()


def decode(module: MLPDecoder, slots: Tensor) -> tuple[Tensor, Tensor]:
    """Decode as the module does."""
    h, w = module.grid
    drawn = module(slots, slots.new_zeros(*slots.shape[:2], h * w), (h, w))
    return drawn.recon, drawn.mask_logits


def decode_plain(module: MLPDecoder, slots: Tensor) -> tuple[Tensor, Tensor]:
    """Decode every row in full."""
    first, *hidden, last = [(x.weight, x.bias) for x in module.layers]
    rows = slots[:, None] + module.positions(module.grid)[:, None]
    return broadcast_decode_plain(F.linear(rows, *first), hidden, last)


def step(
    decode: Decode, module: MLPDecoder, slots: Tensor, target: Tensor
) -> list[Tensor]:
    """Run forward and backward; return the results and all gradients."""
    recon, mask_logits = decode(module, slots)
    loss = F.mse_loss(recon, target) + 0.1 * mask_logits.square().mean()
    inputs = [slots, *module.parameters()]
    return [recon, mask_logits, *torch.autograd.grad(loss, inputs)]


def difference(module: MLPDecoder, slots: Tensor, target: Tensor) -> float:
    """Return the largest difference, relative to the largest entry."""
    ours = step(decode, module, slots, target)
    plain = step(decode_plain, module, slots, target)
    return max(
        float((a - b).detach().abs().max() / b.detach().abs().max())
        for a, b in zip(ours, plain, strict=True)
    )


def kept_mib(
    decode: Decode, module: MLPDecoder, slots: Tensor, target: Tensor
) -> float:
    """Return the memory that the forward pass keeps for backward."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        recon, mask_logits = decode(module, slots)
        loss = F.mse_loss(recon, target) + mask_logits.square().mean()
    # The graph is alive until here, so no storage was counted twice.
    del loss
    return sum(kept.values()) / 2**20


def main() -> None:
    """Compare, time and write."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    module = MLPDecoder(
        SLOT_DIM,
        FEAT_DIM,
        grid=(1, args.tokens),
        hidden_dims=tuple(args.hidden),
    ).to(args.device)
    shape = (args.frames, args.slots, SLOT_DIM)
    slots = torch.randn(shape, device=args.device, requires_grad=True)
    target = torch.randn(
        args.frames, args.tokens, FEAT_DIM, device=args.device
    )
    inputs = (module, slots, target)
    error = difference(*inputs)
    print(f'largest relative difference: {error:.1e}')
    if error > TOLERANCE:
        sys.exit(f'the decoders differ by {error:.1e} > {TOLERANCE}')

    decoders = {'plain': decode_plain, 'slotkd': decode}
    times = take_turns(
        {n: lambda d=d: step(d, *inputs) for n, d in decoders.items()},
        args.repeats,
        device=args.device,
    )
    memory = {n: kept_mib(d, *inputs) for n, d in decoders.items()}
    ratios = {
        key: times['plain'][key] / times['slotkd'][key]
        for key in times['plain']
    }
    print_times(times)
    print('plain / slotkd:', {k: round(v, 2) for k, v in ratios.items()})
    print('kept for backward, MiB:', {k: round(v) for k, v in memory.items()})
    facts = {k: v for k, v in vars(args).items() if k != 'out'}
    result = dict(facts, machine=machine(args.device), difference=error)
    result |= dict(times=times, ratios=ratios, kept_mib=memory)
    write_json(args.out, result)


if __name__ == '__main__':
    main()
