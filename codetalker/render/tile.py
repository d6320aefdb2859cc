"""A head's part of the picture, and the camera that sees it."""

from __future__ import annotations

import numpy as np

from .canvas import Box
from .figure import Camera

FIELD_OF_VIEW = np.radians(17.0)  # that of a portrait lens
MARGIN = 2  # pixels around a figure that are drawn anew with it


class Tile:
    """viewport: x, y, width, height in pixels; to_clip: (4, 4), position: (3,) of its camera, as it was last turned"""

    def __init__(self, viewport: tuple[int, int, int, int], camera: Camera) -> None:
        self.viewport, self.camera = viewport, camera
        self.turn(0.0)

    def turn(self, yaw: float) -> None:
        """yaw: radians to the head's left of where the camera is at rest"""
        self.to_clip, self.position = look(self.camera, self.camera.yaw + yaw)

    @property
    def box(self) -> Box:
        x, y, width, height = self.viewport
        return x, y, x + width, y + height

    def covered(self, vertices: np.ndarray) -> Box:
        """vertices: (V, 3) -> the pixels that a figure can cover, no more than the tile's"""
        matrix = self.to_clip[[0, 1, 3]].astype(np.float32)
        across, up, depth = matrix[:, :3] @ vertices.T + matrix[:, 3:]  # (V,) each
        if not depth.min() > 0.0:  # behind the camera: it has no place in the picture
            return self.box
        x, y, width, height = self.viewport
        across, down = 0.5 + 0.5 * across / depth, 0.5 - 0.5 * up / depth
        left, right = (int(np.clip(edge, 0.0, 1.0) * width) for edge in (across.min(), across.max()))
        top, bottom = (int(np.clip(edge, 0.0, 1.0) * height) for edge in (down.min(), down.max()))
        return (
            x + max(left - MARGIN, 0),
            y + max(top - MARGIN, 0),
            x + min(right + MARGIN + 1, width),
            y + min(bottom + MARGIN + 1, height),
        )


def look(camera: Camera, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """-> matrix (4, 4) from the world to clip space, and the camera's position (3,)"""
    scale = 1.0 / np.tan(0.5 * FIELD_OF_VIEW)
    distance = 0.5 * camera.height * scale
    sine, cosine = np.sin(yaw), np.cos(yaw)
    position = camera.target + distance * np.array([sine, 0.0, cosine])
    view = np.eye(4)
    view[:3, :3] = [[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]]
    view[:3, 3] = -view[:3, :3] @ position
    near, far = distance - 2.0 * camera.height, distance + 2.0 * camera.height
    depth = [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)]
    projection = np.array([[scale, 0, 0, 0], [0, scale, 0, 0], depth, [0, 0, -1, 0]])
    return projection @ view, position
