"""Cameras of physics scenes: pixels to points, points to pixels, flow.

The world has z up and is measured in metres. Image coordinates are pixels
(x, y) from the top left corner; the centre of the first pixel is (0.5, 0.5).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Integer

from slotkd.datasets.physics_scenes_vectors import Points, column, turned

Places = Float[np.ndarray, '2 S']
_NEAREST = 0.05


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera that looks at a point, its upper edge up.

    Args:
        position: Where it stands.
        target: What is in the middle of the image.
        field_of_view: Angle between two opposite edges, in radians.
        size: Side of the square image in pixels.
    """

    position: Float[np.ndarray, '3']
    target: Float[np.ndarray, '3']
    field_of_view: float
    size: int

    @cached_property
    def axes(self) -> Float[np.ndarray, '3 3']:
        """Right, up and backward of the image, as rows."""
        backward = self.position - self.target
        backward = backward / np.linalg.norm(backward)
        # Straight down, any direction may be up.
        pole = [0, 0, 1] if abs(backward[2]) < 0.999 else [0, 1, 0]
        right = np.cross(pole, backward)
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(backward, right), backward])

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.size / (2 * float(np.tan(self.field_of_view / 2)))


def pixel_rays(camera: Camera, places: Places) -> Points:
    """Return unit vectors from the camera through points of the image.

    Args:
        camera: The camera.
        places: In pixels.
    """
    middle = camera.size / 2
    x, y = (places - middle) / camera.focal
    across = np.stack([x, -y, np.full_like(x, -1)])
    rays = turned(camera.axes.T, across)
    return rays / np.sqrt(1 + x * x + y * y)


def project(camera: Camera, points: Points) -> Places:
    """Return where points of the world are in the image, in pixels.

    Args:
        camera: The camera.
        points: Of the world; those nearer than 5 cm to the camera's plane,
            or behind it, count as that far in front.
    """
    moved = points - column(camera.position, points)
    right, up, backward = turned(camera.axes, moved)
    scale = -camera.focal / np.minimum(backward, -_NEAREST)
    return camera.size / 2 + np.stack([right * scale, up * -scale])


def carried(
    points: Float[np.ndarray, '3 S'],
    labels: Integer[np.ndarray, ' S'],
    steps: Float[np.ndarray, 'O 3 4'],
) -> Float[np.ndarray, '3 S']:
    """Return where points of bodies are one frame later.

    Args:
        points: Points of the world.
        labels: The body of each point, from 1; 0 stays where it is.
        steps: Of :func:`rigid_steps`.
    """
    moved = points.copy()
    on_body = np.flatnonzero(labels)
    step = steps[labels[on_body].astype(np.intp) - 1]
    turned = np.einsum('sij,js->is', step[:, :, :3], points[:, on_body])
    moved[:, on_body] = turned + step[:, :, 3].T
    return moved


def rigid_steps(
    rotations: Float[np.ndarray, 'T O 3 3'],
    positions: Float[np.ndarray, 'T O 3'],
) -> Float[np.ndarray, 'T-1 O 3 4']:
    """Return what carries each body's points from a frame to the next."""
    turn = rotations[1:] @ np.swapaxes(rotations[:-1], -1, -2)
    shift = positions[1:] - (turn @ positions[:-1, :, :, None])[..., 0]
    return np.concatenate([turn, shift[..., None]], axis=-1)


def view_matrix(camera: Camera) -> list[float]:
    """Return OpenGL's matrix from world to camera, column by column."""
    view = np.eye(4)
    view[:3, :3] = camera.axes
    view[:3, 3] = -camera.axes @ camera.position
    return view.T.ravel().tolist()


def projection_matrix(
    camera: Camera, samples: int, near: float | int, far: float | int
) -> list[float]:
    """Return OpenGL's matrix from camera to image, column by column.

    PyBullet's software renderer samples at the lower left corners of its
    pixels and returns rows upside down. With this matrix the sample of row r
    and column c is at (c + 1, r + 1) * size / samples.

    Args:
        camera: The camera.
        samples: Side of the image that is rendered.
        near: Nearest distance along the axis that is seen, in metres.
        far: Farthest.
    """
    matrix = np.zeros((4, 4))
    matrix[0, 0] = matrix[1, 1] = 2 * camera.focal / camera.size
    matrix[0, 2] = 2 / samples
    matrix[2, 2] = -(far + near) / (far - near)
    matrix[2, 3] = -2 * far * near / (far - near)
    matrix[3, 2] = -1
    return matrix.T.ravel().tolist()
