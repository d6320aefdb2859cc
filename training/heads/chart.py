"""A flat chart of the head: the crown in the middle, the shoulders around it, and a ray for each of its points.

It is a stereographic picture of the directions from the head's centre, continued over the neck by rays whose origin
slides down the neck's axis while they level out. Stereographic pictures keep angles, so a Delaunay triangulation of
the chart is a good one on the head.
"""

from __future__ import annotations

import numpy as np

from . import average

NECK_SPAN = 1.9  # of the chart's log radius, from the jaw to the last ring
BOTTOM = -150.0  # mm, the height of the last ring


def _turn(azimuth: np.ndarray) -> np.ndarray:
    """Polar angle at which the rays leave the head's centre: 60 degrees down in front, 30 at the nape."""
    return np.radians(135.0 + 15.0 * np.cos(azimuth))


def to_chart(points: np.ndarray) -> np.ndarray:
    """(N, 3) on the head, above the neck -> (N, 2): chart coordinates, x to the head's left, y forward."""
    d = points - average.CENTRE
    azimuth = np.arctan2(d[:, 0], d[:, 2])
    polar = np.arctan2(np.hypot(d[:, 0], d[:, 2]), d[:, 1])
    radius = np.tan(np.minimum(polar, _turn(azimuth)) / 2)
    return np.column_stack([radius * np.sin(azimuth), radius * np.cos(azimuth)])


def edge_radius(azimuth: np.ndarray) -> np.ndarray:
    """Chart radius of the last ring."""
    return np.tan(_turn(azimuth) / 2) * np.exp(NECK_SPAN)


def rays(chart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) chart coordinates -> origins and unit directions, both (N, 3)."""
    azimuth = np.arctan2(chart[:, 0], chart[:, 1])
    radius = np.hypot(chart[:, 0], chart[:, 1])
    turn = _turn(azimuth)
    slide = np.clip(np.log(np.maximum(radius, 1e-9) / np.tan(turn / 2)) / NECK_SPAN, 0.0, 1.0)
    polar = np.where(slide > 0, turn + (np.pi / 2 - turn) * slide, np.minimum(2 * np.arctan(radius), turn))
    direction = np.column_stack([np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)])
    origin = np.column_stack(
        [
            np.zeros(len(chart)),
            average.CENTRE[1] + (BOTTOM - average.CENTRE[1]) * slide,
            average.CENTRE[2] + (-30.0 - average.CENTRE[2]) * slide,
        ]
    )
    return origin, direction
