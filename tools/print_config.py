"""Print a config with its bases and options merged, and check its keys."""

import argparse

from mmengine.config import DictAction

from slotkd.engine import (
    OneLineParser,
    check_config,
    load_config,
    run_command,
)


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='K=V',
        help='replace values of the config, as in a.b=1 list.0.key=2',
    )
    return parser.parse_args()


def main() -> None:
    """Print."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    check_config(cfg)
    print(cfg.pretty_text)


if __name__ == '__main__':
    run_command(main)
