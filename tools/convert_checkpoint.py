"""Convert a published checkpoint to a file that slotkd loads by name.

slotcontrast reads the Lightning checkpoints of SlotContrast, SSync and SRL
and writes a config of the network beside the weights; dinov2 reads DINOv2
weights in the official, timm and Hugging Face layouts (.pth, .bin,
.safetensors). No code of the file is run, with --trust neither.

What no tensor shows may be given as a JSON object:
{"num_heads": 6, "predictor_heads": 4, "num_iters_first": 3, "num_iters": 2,
"input_size": [336, 336], "position_grid": [37, 37]}
"""

import argparse
from pathlib import Path

from slotkd.apis import (
    Conversion,
    convert_checkpoint,
    read_facts,
    unused_facts,
    write_config,
    write_weights,
)
from slotkd.apis.convert import SOURCES
from slotkd.engine import OneLineParser, run_command
from slotkd.models.backbones import UnsafeCheckpointError


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('src', metavar='SRC', help='file or URL to convert')
    parser.add_argument('--source', choices=SOURCES, required=True)
    parser.add_argument('--out', metavar='DST.pth', required=True)
    parser.add_argument(
        '--model-config',
        metavar='FACTS.json',
        help='heads, iterations and sizes that no tensor shows',
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that needs unpickling; foreign objects in it '
        'become inert placeholders',
    )
    return parser.parse_args()


def main() -> None:
    """Convert."""
    args = parse_args()
    out = Path(args.out)
    if out.suffix != '.pth':
        raise ValueError(f'--out must name a .pth file, got {args.out}')
    if out.resolve() == Path(args.src).resolve():
        raise ValueError(f'--out must not be the source {args.src}')
    facts = read_facts(args.model_config) if args.model_config else {}
    try:
        conversion = convert_checkpoint(
            args.src, args.source, facts=facts, trust=args.trust
        )
    except UnsafeCheckpointError as error:
        raise ValueError(
            f'{error}; --trust reads its tensors and still runs nothing'
        ) from error
    report(conversion, unused_facts(facts))
    write_weights(conversion, out)
    print(f'wrote {out}')
    if args.source == 'slotcontrast':
        write_config(conversion, out.with_suffix('.py'))
        print(f'wrote {out.with_suffix(".py")}')


def report(conversion: Conversion, ignored_facts: list[str]) -> None:
    """Print what became of each key."""
    for name, tensor in conversion.weights.items():
        origin = conversion.origin[name] or '(joined)'
        print(f'{origin} -> {name} {tuple(tensor.shape)}')
    for what, names in (
        ('not used', conversion.unused),
        ('not in the file, and read by nothing', conversion.missing),
        ('facts not looked at', ignored_facts),
    ):
        if names:
            print(f'{what}: {", ".join(names)}')
    print(f'{len(conversion.weights)} tensors converted')


if __name__ == '__main__':
    run_command(main)
