"""A data set of shapes for semantic segmentation, drawn at first use."""

import shutil
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from mmengine.dataset import BaseDataset
from PIL import Image

from slotkd.datasets.shape_scene import (
    KINDS,
    ShapeScene,
    draw_kinds_of_shapes,
)
from slotkd.registry import DATASETS

PALETTE = (
    (70, 70, 70),
    (230, 60, 60),
    (60, 120, 230),
    (60, 180, 90),
    (230, 190, 50),
    (170, 80, 200),
)


@DATASETS.register_module()
class ShapeSegDataset(BaseDataset):
    """Images of overlapping shapes; the class of a pixel is its shape's kind.

    Colour says nothing about the class: a disc and a ring, or a square and a
    diamond, are told apart by their outline alone. Image ``index`` depends on
    ``seed`` and ``index``; training and test sets differ in ``seed``.

    The images are PNG files, drawn below ``data_root`` when they are not
    there, in a folder named after everything they depend on. So they are read
    by mmsegmentation's own ``LoadImageFromFile`` and ``LoadAnnotations`` and
    drawn over by its visualiser.

    Args:
        data_root: Where the folder is or will be.
        num_images: Length of the data set.
        seed: Which family of images.
        size: See :class:`ShapeScene`, as are the following.
        min_shapes: Fewest shapes in an image.
        max_shapes: Most shapes in an image.
        radius: Range of half sides, share of the short side.
        texture: Strength of the patterns.
        noise: Strength of the pixel noise.
        pipeline: Transforms of mmsegmentation.
        test_mode: As in mmengine: a broken image is an error.

    Source:
        Own design.
    """

    METAINFO = dict(classes=('background', *KINDS), palette=PALETTE)

    def __init__(
        self,
        data_root: str,
        num_images: int,
        *,
        seed: int = 0,
        size: int | Sequence[int] = 64,
        min_shapes: int = 2,
        max_shapes: int = 4,
        radius: Sequence[float | int] = (0.16, 0.3),
        texture: float | int = 0.3,
        noise: float | int = 0.05,
        pipeline: Sequence = (),
        test_mode: bool = False,
    ) -> None:
        if num_images < 1 or seed < 0:
            raise ValueError(
                'need num_images >= 1 and seed >= 0, got num_images='
                f'{num_images} and seed={seed}'
            )
        self.scene = ShapeScene(
            num_frames=1,
            size=size,
            min_shapes=min_shapes,
            max_shapes=max_shapes,
            radius=radius,
            texture=texture,
            noise=noise,
        )
        self.num_images = num_images
        self.seed = seed
        super().__init__(
            data_root=data_root,
            data_prefix={},
            pipeline=list(pipeline),
            test_mode=test_mode,
        )

    @property
    def folder(self) -> Path:
        """Folder of the images."""
        told = f'{self.scene} {self.num_images}'
        digest = zlib.crc32(told.encode())
        return Path(self.data_root) / f'shapes-{self.seed}-{digest:08x}'

    def load_data_list(self) -> list[dict]:
        """List the images, drawn first where they are not there."""
        if not self.folder.is_dir():
            write_shape_images(
                self.folder, self.scene, self.num_images, self.seed
            )
        return [
            dict(
                img_path=str(self.folder / f'{index:06d}.png'),
                seg_map_path=str(self.folder / f'{index:06d}_labels.png'),
                label_map=None,
                reduce_zero_label=False,
                seg_fields=[],
            )
            for index in range(self.num_images)
        ]


def draw_shape_image(
    rng: np.random.Generator, scene: ShapeScene
) -> tuple[UInt8[np.ndarray, 'H W 3'], UInt8[np.ndarray, 'H W']]:
    """Draw an image and the class of each pixel.

    Args:
        rng: Source of every random choice.
        scene: What to draw, of one frame.

    Returns:
        The image in RGB; 0 for the background, else 1 more than the index of
        the shape's kind in ``KINDS``.
    """
    frames, labels, kinds = draw_kinds_of_shapes(rng, scene)
    classes = np.concatenate(([0], kinds + 1)).astype(np.uint8)
    return frames[0], classes[labels[0]]


def write_shape_images(
    folder: Path, scene: ShapeScene, count: int, seed: int
) -> None:
    """Write images and labels into a folder that is whole or absent.

    Processes may write one folder at the same time; all draw the same.

    Args:
        folder: The folder; missing ones above it are made.
        scene: What to draw.
        count: Number of images.
        seed: Image k depends on it and on k.
    """
    part = folder.with_name(f'{folder.name}.{uuid.uuid4().hex[:8]}.tmp')
    part.mkdir(parents=True)
    try:
        for index in range(count):
            rng = np.random.default_rng([seed, index])
            image, classes = draw_shape_image(rng, scene)
            Image.fromarray(image).save(part / f'{index:06d}.png')
            Image.fromarray(classes).save(part / f'{index:06d}_labels.png')
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
