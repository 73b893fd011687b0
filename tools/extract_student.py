"""Cut the student out of a training checkpoint.

OUT.pth holds the student's weights without prefix and plain facts about
where they come from; it loads with weights_only=True. Teacher, loss terms
and optimiser stay behind. Where the run averaged its weights (EMAHook), the
averages are taken. OUT.py beside it is the student's config for test.py,
infer.py and init_model, if the checkpoint says how it was trained. A student
that is a plain model of mmsegmentation loads there without slotkd.
"""

import argparse
import io
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from slotkd import __version__
from slotkd.apis.student import student_weights
from slotkd.engine import (
    OneLineParser,
    require_file,
    require_writable,
    run_command,
    write_atomically,
)
from slotkd.models.backbones import read_checkpoint

# What a config says beyond training.
KEPT = (
    'custom_imports',
    'default_scope',
    'env_cfg',
    'default_hooks',
    'log_processor',
    'visualizer',
    'model',
    'test_pipeline',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
)

# How OUT.py begins.
MARK = '# Written by tools/extract_student.py from'


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', metavar='CKPT')
    parser.add_argument('out', metavar='OUT.pth')
    return parser.parse_args()


def extract(checkpoint: dict, source: str) -> tuple[dict, Config | None]:
    """Return what to write, and the student's config where it is known.

    Args:
        checkpoint: Of a distiller, or of a model trained alone.
        source: Name of its file.

    Raises:
        ValueError: If it holds no weights of a model.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not state or not all(isinstance(v, Tensor) for v in state.values()):
        held = ', '.join(map(str, list(checkpoint)[:4])) or 'nothing'
        raise ValueError(
            f'checkpoint {source} holds no weights of a model, but {held}'
        )
    weights = student_weights(checkpoint)
    found = checkpoint.get('meta', {})
    # Class names and colours, which mmsegmentation reads from checkpoints.
    classes = found.get('dataset_meta')
    meta: dict[str, Any] = {
        'source': Path(source).name,
        'averaged': 'ema_state_dict' in checkpoint,
        'slotkd_version': __version__,
        'iter': int(found.get('iter', 0)),
    }
    if classes and is_plain(classes):
        meta['dataset_meta'] = classes
    config = None
    if 'cfg' in found:
        config = student_config(Config.fromstring(found['cfg'], '.py'))
        meta['cfg'] = config.pretty_text
    # Copies: a view would bring its whole storage into the file.
    copies = {name: value.detach().clone() for name, value in weights.items()}
    return {'meta': meta, 'state_dict': copies}, config


def student_config(cfg: Config) -> Config:
    """Return the config of the student alone, without what trains it."""
    kept = {name: cfg[name] for name in KEPT if name in cfg}
    model = dict(cfg.model.get('student', cfg.model))
    model.pop('losses', None)
    if cfg.model.get('data_preprocessor') is not None:
        model['data_preprocessor'] = cfg.model.data_preprocessor
    imports = kept.get('custom_imports', {})
    if set(imports.get('imports', ())) == {'slotkd'}:
        if not needs_slotkd(model, cfg.get('default_scope')):
            # It patches mmcv-lite where it is there, and need not be there.
            kept['custom_imports'] = dict(imports, allow_failed_imports=True)
    return Config(kept | {'model': model})


def needs_slotkd(node: Any, scope: str | None) -> bool:
    """Tell whether a part of a model is slotkd's.

    Args:
        node: Its config.
        scope: Where types without prefix are looked up.
    """
    if isinstance(node, list | tuple):
        return any(needs_slotkd(item, scope) for item in node)
    if not isinstance(node, dict):
        return False
    scope = node.get('_scope_', scope)
    kind = node.get('type', '')
    prefix = str(kind).partition('.')[0] if '.' in str(kind) else scope
    if kind and prefix == 'slotkd':
        return True
    return any(needs_slotkd(value, scope) for value in node.values())


def is_plain(node: Any) -> bool:
    """Tell whether a value loads with weights_only=True."""
    if type(node) is dict:
        return all(is_plain(x) for pair in node.items() for x in pair)
    if type(node) in (list, tuple):
        return all(is_plain(item) for item in node)
    return node is None or type(node) in (str, int, float, bool)


def require_own(path: Path) -> None:
    """Stop where a file that is not of this tool would be overwritten.

    Raises:
        FileExistsError: Names the file.
    """
    if path.exists() and not path.read_bytes().startswith(MARK.encode()):
        raise FileExistsError(
            f'{path} exists and is not of this tool: move it, or choose '
            'another OUT.pth'
        )


def main() -> None:
    """Extract."""
    args = parse_args()
    out = Path(args.out)
    if out.suffix != '.pth':
        raise ValueError(f'OUT must name a .pth file, got {args.out}')
    if out.resolve() == Path(args.checkpoint).resolve():
        raise ValueError(f'OUT must not be the checkpoint {args.checkpoint}')
    require_writable(out)
    require_own(out.with_suffix('.py'))
    require_file(args.checkpoint, 'checkpoint')
    # Read without running code; what is no tensor becomes a placeholder.
    checkpoint = read_checkpoint(args.checkpoint, trust=True)
    content, config = extract(checkpoint, args.checkpoint)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(buffer.getvalue(), out)
    size = sum(value.numel() for value in content['state_dict'].values())
    averaged = ', averaged' if content['meta']['averaged'] else ''
    print(f'wrote {out}: {size:,} numbers{averaged}')
    if config is not None:
        text = f'{MARK} {args.checkpoint}.\n{config.pretty_text}'
        write_atomically(text.encode(), out.with_suffix('.py'))
        print(f'wrote {out.with_suffix(".py")}')


if __name__ == '__main__':
    run_command(main)
