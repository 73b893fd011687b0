"""Packaging of slotkd; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r"__version__ = '([^']+)'",
    (ROOT / 'slotkd' / '__init__.py').read_text(encoding='utf-8'),
).group(1)

# mmsegmentation imports ftfy and regex without declaring them.
MMSEG = ['mmsegmentation>=1.2.2,<1.3', 'ftfy', 'regex']
# mmcv and mmcv-lite own the same files: neither is ever required by name
# outside an extra, and no environment holds both.
EXTRAS = {
    'lite': ['mmcv-lite>=2.1.0,<2.2.0', *MMSEG],
    'full': ['mmcv>=2.1.0,<2.2.0', *MMSEG],
    'hf': ['transformers'],
    # Never together with mmpretrain or torchvision: mmdet imports both.
    'vis': ['mmdet>=3.3.0,<3.4', 'mmcv-lite>=2.1.0,<2.2.0'],
    'scenes': ['pybullet>=3.2.7'],
    'test': [
        'pytest',
        'pytest-xdist',
        'beartype',
        'transformers',
        'scikit-learn',
        'ruff',
        'mypy',
        'codespell',
    ],
}

setup(
    name='slotkd',
    version=VERSION,
    description='Distil large video segmentation models into small ones, '
    'without labels, on OpenMMLab',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['slotkd', 'slotkd.*']),
    package_data={'slotkd': ['py.typed', 'engine/*.html']},
    install_requires=[
        'torch>=2.4',
        'mmengine>=0.10.7,<0.11',
        'einops>=0.7',
        'scipy',
        'numpy',
        'pillow>=10.1',
        'av>=14.2',
        'tensorboard',
        'jaxtyping>=0.2.38',
        # setuptools 82 removed pkg_resources, which mmengine 0.10.7 uses.
        'setuptools<82',
    ],
    extras_require=EXTRAS,
)
