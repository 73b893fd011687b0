"""The rigid bodies of a physics scene in PyBullet: motion and visibility."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_camera import (
    Camera,
    projection_matrix,
    view_matrix,
)
from slotkd.datasets.physics_scenes_collision import (
    collision_shape,
    import_pybullet,
)
from slotkd.datasets.physics_scenes_shapes import (
    Solid,
    solid_mesh,
    solid_radius,
    solid_volume,
)

FRAME_RATE = 12
STEPS_PER_FRAME, SETTLING_STEPS = 12, 8
GRAVITY = 9.81
NEAR, FAR = 0.2, 100.0
SETTLING = dict(lateralFriction=1.0, restitution=0.0, angularDamping=0.95)
FLOOR = dict(lateralFriction=0.3, restitution=0.5)
RESTING = dict(lateralFriction=0.5, restitution=0.5, angularDamping=0.04)
AT_REST = 1.0


class PhysicsWorld:
    """A floor and the bodies on it, as a context.

    Each world is a simulation of its own, so that what happens in one
    depends on nothing that happened in another. Body ``k`` of
    :meth:`add` has label ``k`` in :meth:`rasterize`, counted from 1.
    """

    def __init__(self) -> None:
        self._bullet = import_pybullet()

    def __enter__(self) -> 'PhysicsWorld':
        bullet = self._bullet
        self._client = bullet.connect(bullet.DIRECT)
        self._call('setGravity', 0, 0, -GRAVITY)
        self._call(
            'setPhysicsEngineParameter', deterministicOverlappingPairs=1
        )
        plane = self._call('createCollisionShape', bullet.GEOM_PLANE)
        # Without a visual shape of its own the plane would be drawn, which
        # takes longer than all bodies.
        speck = self._call(
            'createVisualShape',
            bullet.GEOM_SPHERE,
            radius=1e-3,
            visualFramePosition=[0, 0, -10 * FAR],
        )
        self._floor = self._call(
            'createMultiBody', 0, plane, speck, useMaximalCoordinates=True
        )
        self._call('changeDynamics', self._floor, -1, **FLOOR)
        self._bodies: list[int] = []
        self._radii: list[float] = []
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bullet.disconnect(self._client)

    def add(
        self,
        solid: Solid,
        *,
        density: float | int,
        position: Sequence[float | int] | Float[np.ndarray, '3'],
        orientation: Sequence[float | int] | Float[np.ndarray, '4'],
        friction: float | int,
        restitution: float | int,
    ) -> None:
        """Put a body into the world; above its place where that is taken.

        Args:
            solid: Its shape; the origin is its centre of mass.
            density: In tonnes per cubic metre.
            position: Its centre of mass in metres.
            orientation: Quaternion (x, y, z, w).
            friction: Coulomb coefficient; those of two bodies multiply.
            restitution: Share of the speed kept; likewise.
        """
        mesh = solid_mesh(solid)
        shape = collision_shape(self._bullet, solid)
        corners = mesh.corners.tolist()
        body = self._call(
            'createMultiBody',
            density * solid_volume(solid),
            self._call(shape.function, **shape.options),
            self._call(
                'createVisualShape',
                self._bullet.GEOM_MESH,
                vertices=corners,
                indices=mesh.faces.ravel().tolist(),
                # Nothing of the renderer's shading is used: of no direction
                # it takes half the time.
                normals=[[0.0, 0.0, 0.0]] * len(corners),
            ),
            list(position),
            list(orientation),
            useMaximalCoordinates=True,
        )
        self._call(
            'changeDynamics',
            body,
            -1,
            lateralFriction=friction,
            restitution=restitution,
        )
        self._bodies.append(body)
        self._radii.append(solid_radius(solid))
        place = np.array(position, np.float64)
        while self._touches(len(self._bodies) - 1):
            place[2] += 0.25
            self._place(body, place, orientation)

    def settle(self, num_frames: int) -> None:
        """Let the bodies come to rest on a floor that holds them.

        Those that are at rest stay so until something touches them.
        """
        for body in [self._floor, *self._bodies]:
            self._call('changeDynamics', body, -1, **SETTLING)
        self._step(num_frames, SETTLING_STEPS)
        self._call('changeDynamics', self._floor, -1, **FLOOR)
        for body in self._bodies:
            speed = np.abs(self._call('getBaseVelocity', body)).max()
            self._call('resetBaseVelocity', body, [0, 0, 0], [0, 0, 0])
            self._call('changeDynamics', body, -1, **RESTING)
            if speed < AT_REST:
                self._call(
                    'changeDynamics',
                    body,
                    -1,
                    activationState=self._bullet.ACTIVATION_STATE_SLEEP,
                )

    def throw(self, body: int, velocity: Sequence[float | int]) -> None:
        """Give body ``body``, counted from 0, a velocity in m/s."""
        self._call(
            'resetBaseVelocity', self._bodies[body], list(velocity), [0, 0, 0]
        )

    def run(
        self, num_frames: int
    ) -> tuple[
        Float[np.ndarray, 'T O 3 3'],
        Float[np.ndarray, 'T O 3'],
    ]:
        """Simulate and return the poses of all bodies, now and in each frame.

        Args:
            num_frames: Frames after the present one.

        Returns:
            For ``num_frames + 1`` frames, the bodies' axes as columns, and
            their centres of mass.
        """
        count = len(self._bodies)
        rotations = np.zeros((num_frames + 1, count, 3, 3))
        positions = np.zeros((num_frames + 1, count, 3))
        for frame in range(num_frames + 1):
            for index, body in enumerate(self._bodies):
                place, turn = self._call('getBasePositionAndOrientation', body)
                matrix = self._bullet.getMatrixFromQuaternion(turn)
                positions[frame, index] = place
                rotations[frame, index] = np.reshape(matrix, (3, 3))
            if frame < num_frames:
                self._step(1, STEPS_PER_FRAME)
        return rotations, positions

    def pose(
        self,
        rotations: Float[np.ndarray, 'O 3 3'],
        positions: Float[np.ndarray, 'O 3'],
    ) -> None:
        """Put all bodies where they were in a frame of :meth:`run`."""
        turns = Rotation.from_matrix(rotations).as_quat()
        for body, place, turn in zip(
            self._bodies, positions, turns, strict=True
        ):
            self._place(body, place, turn)

    def rasterize(
        self, camera: Camera, samples: int
    ) -> tuple[
        Int32[np.ndarray, '{samples} {samples}'],
        Float32[np.ndarray, '{samples} {samples}'],
    ]:
        """Return which body is seen at each point of a grid, and how far.

        Sample (row, column) is at (column + 1, row + 1) * size / samples
        pixels: with twice as many samples as pixels, those of even row and
        column are the centres of the pixels.

        Args:
            camera: The camera.
            samples: Side of the grid.

        Returns:
            The label, 0 where no body is; and the distance along the
            camera's axis in metres, infinite there.
        """
        image = self._call(
            'getCameraImage',
            samples,
            samples,
            view_matrix(camera),
            projection_matrix(camera, samples, NEAR, FAR),
            shadow=0,
            renderer=self._bullet.ER_TINY_RENDERER,
        )
        shape = (samples, samples)
        labels = np.reshape(np.asarray(image[4], np.int32), shape)
        window = np.reshape(np.asarray(image[3], np.float32), shape)
        # The floor is body 0, beyond reach.
        labels = np.maximum(labels, 0)
        # window is 1 where nothing is seen; float64 keeps the difference.
        depth = FAR * NEAR / (FAR - window * np.float64(FAR - NEAR))
        depth[labels == 0] = np.inf
        return labels, depth.astype(np.float32)

    def _touches(self, index: int) -> bool:
        """Say whether the newest body touches the floor or another."""
        body, radius = self._bodies[index], self._radii[index]
        place = self._where(body)
        near = [
            other
            for other, reach in zip(
                self._bodies[:index], self._radii, strict=False
            )
            if np.linalg.norm(place - self._where(other)) < radius + reach
        ]
        if place[2] < radius:
            near.append(self._floor)
        return any(
            self._call('getClosestPoints', body, other, 0.0) for other in near
        )

    def _where(self, body: int) -> Float[np.ndarray, '3']:
        place, _ = self._call('getBasePositionAndOrientation', body)
        return np.array(place)

    def _place(self, body: int, position: Any, orientation: Any) -> None:
        self._call(
            'resetBasePositionAndOrientation',
            body,
            list(position),
            list(orientation),
        )

    def _step(self, num_frames: int, steps_per_frame: int) -> None:
        rate = FRAME_RATE * steps_per_frame
        self._call('setTimeStep', 1 / rate)
        for _ in range(num_frames * steps_per_frame):
            self._call('stepSimulation')

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        function = getattr(self._bullet, name)
        return function(*args, physicsClientId=self._client, **options)
