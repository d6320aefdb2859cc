"""What the renderer needs to know of a head before the first frame; it is sent to the renderer's process once."""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.ndimage import maximum_filter1d

from ..head import Head, Part
from ..head.templates import find_holes
from ..motion import ARKIT_NAMES
from .openness import openness


class Surface(IntEnum):
    """How a surface answers light; the order is that of RESPONSES in shaders/mesh.vert."""

    SKIN = 0
    EYE = 1
    WET = 2
    HAIR = 3
    MATTE = 4


@dataclass(frozen=True)
class Batch:
    """What is drawn in one go. faces: (F, 3) of the figure's vertices"""

    faces: np.ndarray
    double_sided: bool
    blended: bool
    glossy: bool  # highlights per pixel
    texture: int | None
    inside: bool = False  # the inner side of a hollow surface, in the dark


@dataclass(frozen=True)
class Camera:
    """target: (3,) what is in the middle of the picture; height: of the picture there, in metres"""

    target: np.ndarray
    height: float
    yaw: float = 0.0  # radians, from where it looks, to the head's left


@dataclass(frozen=True)
class Figure:
    """vertices: (V, 3) float32 at rest, faces: (F, 3), welds: (V,) the normal that a vertex shares,
    surface: (V, 4) float32: kind, openness to the sky, to the key, to the rim light, gloss: (V,) float32 strength of
    the highlights; the others: as Head's
    """

    vertices: np.ndarray
    faces: np.ndarray
    welds: np.ndarray
    surface: np.ndarray
    gloss: np.ndarray
    colours: np.ndarray
    texcoords: np.ndarray
    textures: list[np.ndarray]
    batches: list[Batch]
    camera: Camera


_made: weakref.WeakKeyDictionary[Head, Figure] = weakref.WeakKeyDictionary()


def figure_of(head: Head) -> Figure:
    """Made once per head."""
    if head not in _made:
        surface = np.zeros((len(head.vertices), 4), np.float32)
        for part in head.parts:
            surface[part.vertices, 0] = surface_of(part)
        surface[:, 1:4] = openness(head)
        wet = surface[:, 0] == Surface.WET  # it scatters light: no hard shadows in a mouth
        surface[wet, 1] = 0.30 + 0.70 * np.sqrt(surface[wet, 1])
        surface[wet, 2] = np.maximum(surface[wet, 2], 0.8 * surface[wet, 1])
        _made[head] = Figure(
            head.vertices,
            head.faces,
            _welds(head),
            surface,
            _gloss(head, surface[:, 0].astype(int)),
            head.colours,
            head.texcoords,
            head.textures,
            _batches(head),
            frame_portrait(head),
        )
    return _made[head]


GLOSS = {Surface.SKIN: 0.22, Surface.EYE: 1.0, Surface.WET: 0.38, Surface.HAIR: 0.0, Surface.MATTE: 0.02}
GLOSS_OF_LIPS = 0.75


def _gloss(head: Head, kinds: np.ndarray) -> np.ndarray:
    """(V,) By the kind of surface; lips, as far as they are redder than the skin around them, are moist."""
    gloss = np.array([GLOSS[kind] for kind in Surface], np.float32)[kinds]
    skin = kinds == Surface.SKIN
    lips = head.regions.get("lips", np.zeros(0, int))
    lips = lips[skin[lips]]
    if not len(lips) or not head.has_shapes:
        return gloss
    red = head.colours[:, 0] / np.maximum(head.colours[:, 1:3].mean(1), 1e-3)
    usual, most = np.median(red[skin]), np.quantile(red[lips], 0.9)
    if most > 1.15 * usual:
        share = np.clip((red[lips] - usual) / (most - usual), 0.0, 1.0)
        gloss[lips] += (GLOSS_OF_LIPS - gloss[lips]) * share * share
    return gloss


_NAMES = (
    (Surface.MATTE, r"cloth|shirt|collar|dress|glass"),
    (Surface.HAIR, r"hair|brow|lash|beard|cap\b"),
    (Surface.WET, r"teeth|tooth|gum|tongue|mouth|oral|saliva"),
    (Surface.EYE, r"eye|iris|cornea|sclera|pupil"),
)


def surface_of(part: Part) -> Surface:
    """By the names of the mesh and its material, as artists give them; else skin."""
    for surface, pattern in _NAMES:
        if re.search(pattern, part.name.lower()):
            return surface
    return Surface.SKIN


def _welds(head: Head) -> np.ndarray:
    """(V,) Vertices at one place that move alike are one point of the surface, split for its texture.

    Lips that touch share places too, but part: each keeps its own. A bare mesh is not split.
    """
    if not head.has_shapes:
        return np.arange(len(head.vertices))
    rows = np.hstack([head.vertices, head.shapes[[ARKIT_NAMES.index(name) for name in _PARTING]].sum(0)])
    part = np.zeros((len(rows), 1), np.float32)
    for index, entry in enumerate(head.parts):
        part[entry.vertices] = index
    keys = np.round(np.hstack([rows / np.ptp(head.vertices[:, 1]) * 1e6, part])).astype(np.int64)
    _, welds = np.unique(keys, axis=0, return_inverse=True)
    return welds.ravel()


MIDLINE = 0.06  # half the width of the profile's strip, of the head's width
PROFILE_STEPS = 32  # levels between a head's lower end and the tip of its nose
RELIEF = 0.12  # how far a throat lies behind the tip of the nose at least, of the head's height

_PARTING = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthClose", "mouthRollUpper", "mouthRollLower")


def _batches(head: Head) -> list[Batch]:
    """What is drawn alike is drawn together: hair, the skin under it, what the skin hides; the transparent last."""
    groups: dict[tuple, list[Part]] = {}
    for part in head.parts:
        material = part.material
        hollow = not head.has_shapes  # its inner side is drawn on its own, in the dark
        double_sided = material.double_sided and not hollow and not _is_closed(head.vertices, head.faces[part.faces])
        glossy = surface_of(part) in (Surface.EYE, Surface.WET)
        groups.setdefault((material.blended, glossy, not double_sided, material.texture), []).append(part)
    batches = []
    for (blended, glossy, single_sided, texture), parts in sorted(groups.items(), key=lambda item: item[0][:3]):
        faces = np.concatenate([head.faces[part.faces] for part in parts])
        batches.append(Batch(faces, not single_sided, blended, glossy, texture))
    if not head.has_shapes:  # a bare mesh has no mouth behind its lips
        faces = np.concatenate([head.faces[:, ::-1], find_holes(head.vertices, head.faces)])
        batches.insert(0, Batch(faces, False, False, False, None, inside=True))
    return batches


def _is_closed(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether only the outside of a mesh can be seen, as good as: few open edges (a neck's base, the rim of hair that
    sits on a skull), and faces that look all ways round, which those of a sheet don't.

    Files often call such meshes double-sided to be safe, which doubles the work.
    """
    corners = vertices[faces]  # (F, 3, 3)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lean = np.linalg.norm(across.sum(0)) / max(np.linalg.norm(across, axis=1).sum(), 1e-12)
    _, faces = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    faces = faces.reshape(-1, 3)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    return bool((uses == 1).mean() < 0.08 and lean < 0.5)


def frame_portrait(head: Head) -> Camera:
    """Crown to collar: the face fills the picture, and there is a little air above it.

    A head that ends above the picture's lower edge is shown whole, and stands on the caption.
    """
    top, bottom = head.vertices[:, 1].max(), head.vertices[:, 1].min()
    chin = find_chin(head)
    face = top - chin
    height = 1.34 * face
    above = head.vertices[head.vertices[:, 1] > chin]
    height = max(height, 1.12 * np.ptp(above[:, 0]))  # wide hair stays in the picture
    middle = 0.5 * (above[:, 0].min() + above[:, 0].max())
    level = top + 0.10 * face - 0.5 * height
    if bottom > level - 0.5 * height:
        height = max(height, 1.15 * (top - bottom))
        level = bottom + 0.5 * height - 0.7 * (height - (top - bottom))
    return Camera(np.array([middle, level, 0.5 * (above[:, 2].min() + above[:, 2].max())]), float(height))


def find_chin(head: Head) -> float:
    """Its level: where jawOpen moves the skin, or, without shapes, where the profile falls back to the throat.

    A head that is cut off there ends at its chin.
    """
    vertices = head.vertices
    travel = np.linalg.norm(head.shapes[ARKIT_NAMES.index("jawOpen")], axis=1)
    if travel.max() > 0:
        return float(vertices[travel > 0.6 * travel.max(), 1].min())
    top, bottom = vertices[:, 1].max(), vertices[:, 1].min()
    across = vertices[:, 0] - 0.5 * (vertices[:, 0].min() + vertices[:, 0].max())
    midline = vertices[np.abs(across) < MIDLINE * np.ptp(vertices[:, 0])]
    if not len(midline):
        return float(bottom)
    nose = midline[midline[:, 2].argmax()]
    levels = np.linspace(bottom, nose[1], PROFILE_STEPS + 1)
    places = np.clip(np.searchsorted(levels, midline[:, 1], side="right") - 1, 0, PROFILE_STEPS)
    profile = np.full(PROFILE_STEPS + 1, -np.inf, np.float32)  # how far forward the head reaches at each level
    np.maximum.at(profile, places, midline[:, 2])
    profile = maximum_filter1d(profile, 3)  # a level without a vertex in front is no throat
    throat = int(profile.argmin())
    if nose[2] - profile[throat] < RELIEF * (top - bottom):
        return float(bottom)
    return float(levels[throat + int(np.argmax(profile[throat:] > 0.5 * (nose[2] + profile[throat])))])
