"""Make a clip of one image: affine motion and thin-plate bending."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from mmcv.transforms import BaseTransform
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates, zoom

from slotkd.registry import TRANSFORMS

_MESH = 17  # coarse mesh on which the bending is evaluated


def affine_matrix(
    angle: float | int,
    scale: float | int,
    shear: float | int,
    shift: Sequence[float | int],
) -> Float[np.ndarray, '2 3']:
    """Return the map from places of the new image to those of the old.

    Places are (y, x) from the centre, in halves of the frame's sides.

    Args:
        angle: Turn in radians.
        scale: Enlargement of what is seen.
        shear: Slope in radians.
        shift: Movement (y, x) of what is seen.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    slope = np.array([[1, np.tan(shear)], [0, 1]])
    inverse = np.linalg.inv(scale * turn @ slope)
    moved = inverse @ -np.asarray(shift, dtype=float)
    return np.concatenate([inverse, moved[:, None]], axis=1)


def bend_field(
    offsets: Float[np.ndarray, 'p p 2'], shape: tuple[int, int]
) -> Float[np.ndarray, 'H W 2']:
    """Interpolate offsets of control points with a thin-plate spline.

    Args:
        offsets: Offset (y, x) at each point of a regular net over the frame.
        shape: Height and width of the field.

    Source:
        Bookstein, Principal Warps, TPAMI 1989.
    """
    side = np.linspace(-1, 1, len(offsets))
    points = np.stack(np.meshgrid(side, side, indexing='ij'), -1)
    spline = RBFInterpolator(
        points.reshape(-1, 2),
        offsets.reshape(-1, 2),
        kernel='thin_plate_spline',
    )
    side = np.linspace(-1, 1, _MESH)
    mesh = np.stack(np.meshgrid(side, side, indexing='ij'), -1)
    coarse = spline(mesh.reshape(-1, 2)).reshape(_MESH, _MESH, 2)
    factors = (shape[0] / _MESH, shape[1] / _MESH, 1)
    return zoom(coarse, factors, order=1, grid_mode=False)


def warp(
    image: np.ndarray,
    matrix: Float[np.ndarray, '2 3'],
    bend: Float[np.ndarray, 'H W 2'],
    *,
    nearest: bool,
) -> np.ndarray:
    """Look an image up at moved places; outside it is mirrored.

    Args:
        image: Image (H, W, 3) or labels (H, W).
        matrix: See :func:`affine_matrix`.
        bend: Added to the places, in halves of the frame's sides.
        nearest: Take the nearest pixel, as labels need, else interpolate.
    """
    height, width = image.shape[:2]
    y, x = np.meshgrid(
        np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing='ij'
    )
    place = np.stack([y, x, np.ones_like(y)], -1) @ matrix.T + bend
    half = np.array([height - 1, width - 1]) / 2
    at = np.moveaxis((place + 1) * half, 2, 0)
    order = 0 if nearest else 1
    if image.ndim == 2:
        return map_coordinates(image, at, order=order, mode='mirror')
    channels = [
        map_coordinates(image[..., c], at, order=order, mode='mirror')
        for c in range(image.shape[2])
    ]
    return np.stack(channels, axis=-1)


@TRANSFORMS.register_module()
class WarpToClip(BaseTransform):
    """Turn one image with its labels into a clip that moves and bends.

    Each clip has one motion, drawn with numpy's global generator; it grows
    evenly from none in the first frame. Clips made this way and merged are
    the warm-up on static images: the objects of one image move over another.

    Args:
        num_frames: Frames of the clip.
        degrees: Largest turn from first to last frame.
        translate: Largest movement, as a share of the frame's side.
        scale: Largest enlargement or reduction, as a share.
        shear: Largest slope, in degrees.
        bend: Largest offset of the spline's 4 x 4 points, share of the side.

    Source:
        Static training of yoxu515/aot-benchmark@04fe7d9 (turn 20, movement
        0.1, scale 0.1, shear 10). Differs: motion is even, not drawn anew
        for each frame.
    """

    def __init__(
        self,
        num_frames: int,
        *,
        degrees: float | int = 20,
        translate: float | int = 0.1,
        scale: float | int = 0.1,
        shear: float | int = 10,
        bend: float | int = 0.02,
    ) -> None:
        values = (degrees, translate, scale, shear, bend)
        if num_frames < 1 or min(values) < 0 or scale >= 1:
            raise ValueError(
                'WarpToClip needs num_frames >= 1, ranges >= 0 and scale < 1, '
                f'got num_frames={num_frames}, degrees={degrees}, translate='
                f'{translate}, scale={scale}, shear={shear}, bend={bend}'
            )
        self.num_frames = num_frames
        self.degrees = degrees
        self.translate = translate
        self.scale = scale
        self.shear = shear
        self.bend = bend

    def transform(self, results: dict) -> dict:
        """Make the clip.

        Raises:
            ValueError: If there is more than one image.
        """
        if len(results['img']) != 1:
            raise ValueError(
                f'WarpToClip makes a clip of one image, but video '
                f'{results.get("video_id", "")} comes with '
                f'{len(results["img"])}; set num_frames=1'
            )
        motion = self.draw_motion()
        shape = results['img'][0].shape[:2]
        bend = bend_field(np.random.uniform(-1, 1, (4, 4, 2)), shape)
        results = dict(results)
        for key in ('img', 'gt_seg_map'):
            if key in results:
                results[key] = [
                    self._frame(results[key][0], motion, bend, t)
                    for t in range(self.num_frames)
                ]
        results['frame_ids'] = [
            results['frame_ids'][0] for _ in range(self.num_frames)
        ]
        return results

    def draw_motion(self) -> Float[np.ndarray, ' 5']:
        """Draw turn, slope, logarithm of the scale, and movement (y, x)."""
        most = [
            np.deg2rad(self.degrees),
            np.deg2rad(self.shear),
            np.log1p(self.scale),
            2 * self.translate,
            2 * self.translate,
        ]
        return np.random.uniform(-1, 1, 5) * most

    def _frame(
        self, image: np.ndarray, motion: np.ndarray, bend: np.ndarray, t: int
    ) -> np.ndarray:
        share = t / max(self.num_frames - 1, 1)
        angle, shear, scale, *shift = share * motion
        return warp(
            image,
            affine_matrix(angle, np.exp(scale), shear, shift),
            2 * self.bend * share * bend,
            nearest=image.ndim == 2,
        )
