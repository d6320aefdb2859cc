"""What differs between people, as data: every field's default is the average head of average.py."""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float, float]  # mm, on the average head's left half
Colour = tuple[float, float, float]  # sRGB, 0 to 1
Table = tuple[tuple[float, float], ...]  # height on the average head in mm -> value there; smooth in between


@dataclass(frozen=True)
class Bump:
    """Control points near `centre` are scaled about it and shifted, ever less up to some `radius` away; mm."""

    centre: Point
    radius: Point
    scale: Point = (1.0, 1.0, 1.0)
    shift: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Build:
    """Skull, face and neck."""

    heights: Table = ()  # mm up
    widths: Table = ()  # factor
    fronts: Table = ()  # mm forward, of what looks forward
    backs: Table = ()  # mm backward, of what looks back
    bumps: tuple[Bump, ...] = ()
    neck: float = 1.0  # factor of its width
    shoulders: float = 1.0  # factor of theirs


@dataclass(frozen=True)
class Eyes:
    scale: float = 1.0  # of the eyeball, the lids and the iris
    upper: float = 5.9  # mm that the upper lid arches above the line between the corners
    lower: float = 3.5
    tilt: float = 0.0  # mm that the outer corner lies higher
    peak: float = 0.5  # where the upper lid is highest, 0 at the inner corner, 1 at the outer one
    lid: float = 1.7  # mm thick
    iris: float = 1.0  # factor of its radius
    inner: Colour = (0.46, 0.42, 0.33)  # of the iris at the pupil
    outer: Colour = (0.30, 0.42, 0.50)
    rim: Colour = (0.09, 0.14, 0.19)
    lashes: float = 1.0  # factor of their length


@dataclass(frozen=True)
class Lips:
    upper: float = 1.0  # factor of the vermilion's height
    lower: float = 1.0
    bow: float = 1.0  # factor of the depth of Cupid's bow
    forward: float = 1.0  # factor of how far they curl forward


@dataclass(frozen=True)
class Ears:
    scale: float = 1.0
    flare: float = 1.0  # how far they stand off
    lobe: float = 1.0
    tilt: float = 0.0  # degrees that they lean further back


@dataclass(frozen=True)
class Brows:
    colour: Colour = (0.25, 0.165, 0.105)
    thickness: float = 1.0
    hairs: int = 120  # on each side
    length: float = 1.0
    shift: Table = ()  # x -> mm up
    fill: float = 0.55  # opacity of the shade under the hairs


@dataclass(frozen=True)
class Marks:
    """Freckles or spots: how many on each side, where (centre and reach on the average head, x and y), how large."""

    count: int
    centre: tuple[float, float]
    reach: tuple[float, float]
    radius: tuple[float, float]  # mm, smallest and largest
    colour: Colour
    opacity: float


@dataclass(frozen=True)
class Complexion:
    base: Colour = (0.845, 0.655, 0.560)
    lip: Colour = (0.725, 0.430, 0.405)
    inner_lip: Colour = (0.50, 0.215, 0.21)
    blush: Colour = (0.84, 0.50, 0.43)  # what blood adds at cheeks, nose, ears
    shade: Colour = (0.70, 0.46, 0.40)  # lids, under the eyes, folds
    flush: float = 1.0  # factor of both
    mottle: float = 0.008  # relative noise
    marks: tuple[Marks, ...] = ()
    beard: float = 0.0  # opacity of a shaven beard's shadow
    beard_colour: Colour = (0.30, 0.25, 0.23)
    teeth: Colour = (0.96, 0.935, 0.88)


@dataclass(frozen=True)
class Locks:
    """A layer of locks: where they are rooted, which way they are combed, and their shape.

    Angles in degrees on the scalp, seen from the head's centre: azimuth 0 in front, 90 to the left, 180 behind;
    polar 0 at the crown. mm otherwise.
    """

    count: int
    azimuth: tuple[float, float]
    polar: tuple[float, float]
    length: float
    width: float
    lift: float  # off the scalp, at the highest
    cut: float = -1000.0  # height below which none hangs
    comb: Point = (0.0, 0.0, 0.0)  # which way, besides away from the parting
    away: float = 1.0  # how much away from the parting
    fall: float = 0.5  # how much it hangs
    curl: float = 0.0  # mm it winds to the side
    under: float = 0.0  # how much the tip turns in (or out, below zero)
    thick: float = 0.26  # of the width
    blunt: float = 0.06  # width of the tip
    mirrored: bool = True  # left as right; else azimuth as given
    rows: int = 7
    tone: float = 1.0
    joined: bool = False  # to one sheet, rooted from azimuth to azimuth at the first polar angle


@dataclass(frozen=True)
class Hair:
    colour: Colour = (0.25, 0.165, 0.105)
    tips: Colour = (0.34, 0.23, 0.15)
    outline: Table = ()  # depth z -> lowest y of the hair there
    crown: Table = ()  # depth z -> highest y, of who is bald above it or wears a cap
    parting: Point = (6.0, 138.0, -38.0)  # the whorl or the parting's end
    parting_front: Point | None = None  # its other end
    rows: int = 9  # of the cap of hair
    columns: int = 88
    volume: float = 6.0  # mm of the cap of hair under the locks
    sides: float = 1.0  # factor of it at the sides and the nape
    front: float = 0.0  # mm more over the forehead
    grain: float = 0.0  # mm of the relief of tight curls
    opacity: float = 1.0
    fade: float = 6.0  # mm in which the hairline thins out
    locks: tuple[Locks, ...] = ()


@dataclass(frozen=True)
class Cap:
    """A knitted cap: its rim's height in front and behind, its thickness and its peak, mm."""

    colour: Colour
    band: Colour
    front: float
    back: float
    thickness: float = 5.0
    peak: float = 8.0


@dataclass(frozen=True)
class Shirt:
    colour: Colour = (0.27, 0.40, 0.39)
    collar: float = 0.0  # how much higher (above zero) or lower the neckline is
    trim: float = 0.86  # brightness of the neckline's rib


@dataclass(frozen=True)
class Person:
    name: str
    build: Build = Build()
    eyes: Eyes = Eyes()
    nose: dict[str, float] = field(default_factory=dict)  # solid -> factor of its radii
    folds: dict[str, float] = field(default_factory=dict)  # stroke -> factor of its depth
    wrinkles: tuple[tuple[tuple[Point, ...], float, float], ...] = ()  # more strokes: polyline, mm outward, sigma
    lips: Lips = Lips()
    ears: Ears = Ears()
    brows: Brows = Brows()
    complexion: Complexion = Complexion()
    hair: Hair = Hair()
    cap: Cap | None = None
    shirt: Shirt = Shirt()
    spacing: float = 3.2  # mm between neighbouring vertices in the face
    seed: int = 11
