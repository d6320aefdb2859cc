"""Speaking styles, named by what a viewer sees, as parameters of the articulation model."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Style:
    """How one person moves while speaking; amounts are ARKit weights unless a unit is given. The defaults: neutral."""

    seen: str  # what a viewer sees, in one line

    # the mouth
    opening: float = 19.0  # mm between the inner lips in the widest vowel
    tempo: float = 1.0  # of the lips: > 1 shortens every gesture's reach into its neighbours
    jaw_share: float = 0.85  # share of the opening that the jaw makes; the lips make the rest
    rounding: float = 1.0  # gain of narrowing and flaring
    pucker: float = 0.75  # share of the rounding that purses the lips, beside what flares them
    spreading: float = 1.0  # gain of wide vowels
    teeth: float = 1.0  # gain of lips lifting off the teeth
    upper: float = 1.0  # further gain of the upper lip's share in that
    press: float = 0.3  # lips pressed together in p, b, m
    thin: float = 0.0  # both lips rolled in throughout
    flare: float = 0.0  # lips pushed forward throughout the speech
    smile: float = 0.0  # corners raised throughout, in pauses too
    frown: float = 0.0  # corners lowered throughout
    asymmetry: float = 0.03  # -1 to 1: how much more the left side moves than the right
    jaw_seals: float = 0.35  # share of its opening that the jaw gives up in p, b, m; the lips close the rest
    jaw_inertia: float = 0.03  # s, deviation of the Gaussian that blurs the jaw's movement
    settle: float = 0.0  # s, the same of lifted lips, and a third of it of the corners
    loudness: float = 0.25  # how much wider loud speech opens than soft speech, as a share

    # the upper face
    brow_rest: float = 0.0  # > 0 raised, < 0 lowered, throughout
    brow_accent: float = 0.3  # height of a raise on an accent or a question
    brow_chance: float = 6.0  # raises a minute that nothing in the speech explains
    blink_interval: float = 3.8  # s, median
    lids: float = 0.03  # how far the lids hang
    squint: float = 0.03  # lower lids raised
    wide: float = 0.0  # upper lids raised
    gaze: float = 5.0  # degrees, typical glance away from the viewer

    # the head
    nod: float = 1.3  # degrees, on an accent
    sway: float = 0.9  # degrees, slow wandering
    turn: float = 1.2  # degrees, a new pose in every phrase
    tilt: float = 0.0  # degrees of roll, throughout: > 0 leans to the head's right
    bow: float = 0.0  # degrees of pitch, throughout: > 0 lowers the chin, < 0 raises it

    def __post_init__(self) -> None:
        bounds = {
            "opening": (4, 25),
            "tempo": (0.5, 2),
            "jaw_share": (0, 1),
            "asymmetry": (-1, 1),
            "brow_rest": (-1, 1),
            "blink_interval": (2, 15),
            "tilt": (-5, 5),
            "bow": (-5, 5),
        }
        for field in fields(self):
            low, high = bounds.get(field.name, (0, 60))
            value = getattr(self, field.name)
            if field.name != "seen" and not low <= value <= high:
                raise ValueError(f"Style.{field.name} is {value}, allowed is {low} to {high}")


STYLES: dict[str, Style] = {
    "neutral": Style("even and relaxed: the jaw leads, little happens above it"),
    "lively": Style(
        "wide open and quick, brows and head mark every accent",
        opening=21.5, tempo=1.2, rounding=1.15, spreading=1.25, teeth=1.2, smile=0.08, loudness=0.45,
        brow_rest=0.06, brow_accent=0.65, brow_chance=14.0, blink_interval=2.7, lids=0.0, gaze=8.0,
        nod=2.8, sway=1.7, turn=2.6,
    ),
    "soft": Style(
        "mumbled: lips hardly part, lids hang, the head stays still",
        opening=9.0, tempo=0.85, jaw_share=0.6, rounding=0.7, spreading=0.5, teeth=0.5, press=0.2, loudness=0.15,
        brow_rest=-0.02, brow_accent=0.1, brow_chance=2.0, blink_interval=4.4, lids=0.18, squint=0.06, gaze=3.0,
        nod=0.5, sway=0.6, turn=0.5,
    ),
    "crisp": Style(
        "every sound cut clean: tight closures, bared teeth, a level head",
        opening=16.0, tempo=1.4, jaw_share=0.55, rounding=1.2, spreading=1.2, teeth=1.9, press=0.6, loudness=0.15,
        brow_rest=-0.08, brow_accent=0.25, brow_chance=3.0, blink_interval=5.5, lids=0.0, squint=0.1, gaze=2.5,
        nod=1.2, sway=0.35, turn=0.5,
    ),
    "smiling": Style(
        "corners of the mouth and cheeks raised all along",
        opening=14.5, tempo=1.05, jaw_share=0.65, rounding=0.85, spreading=1.15, teeth=1.4, press=0.22, smile=0.42,
        brow_rest=0.12, brow_accent=0.35, brow_chance=9.0, blink_interval=3.4, lids=0.05, squint=0.2,
        nod=1.6, sway=1.2, turn=1.6, tilt=1.0,
    ),
    "rounded": Style(
        "lips pushed forward and driving the speech, the jaw nearly still",
        opening=13.5, tempo=0.95, jaw_share=0.4, rounding=1.3, spreading=0.65, teeth=0.5, flare=0.16,
        brow_rest=0.03, brow_accent=0.25, brow_chance=5.0, blink_interval=4.5, gaze=6.0,
        nod=0.9, sway=1.0, turn=1.0, tilt=-0.8,
    ),
    "wry": Style(
        "one-sided: the left corner pulls, the left brow stands up, the head leans",
        opening=13.5, tempo=1.0, spreading=1.3, teeth=1.3, smile=0.16, asymmetry=0.75,
        brow_rest=0.14, brow_accent=0.4, brow_chance=8.0, blink_interval=4.2, lids=0.1, squint=0.1, gaze=8.0,
        nod=1.2, sway=1.1, turn=1.8, tilt=2.2,
    ),
    "heavy": Style(
        "slow and jaw-driven under lowered brows, corners down",
        opening=17.0, tempo=0.75, jaw_share=0.97, rounding=0.85, spreading=0.7, teeth=0.3, press=0.25, frown=0.2,
        brow_rest=-0.32, brow_accent=0.15, brow_chance=2.0, blink_interval=5.0, lids=0.12, squint=0.06, gaze=4.0,
        nod=1.9, sway=0.8, turn=0.8,
    ),
    "tired": Style(
        "eyes half shut, chin sunk, inner brows up, the mouth slow and drooping",
        opening=12.5, tempo=0.8, jaw_share=0.8, rounding=0.8, spreading=0.45, teeth=0.35, press=0.2, frown=0.3,
        loudness=0.15, brow_rest=0.1, brow_accent=0.12, brow_chance=2.0, blink_interval=5.0, lids=0.42, gaze=4.0,
        nod=0.7, sway=1.3, turn=0.8, tilt=1.0, bow=2.8,
    ),
    "stern": Style(
        "brows knitted, eyes narrowed, lips thin and tight, a still head",
        opening=11.5, tempo=1.15, jaw_share=0.7, rounding=0.75, spreading=0.8, teeth=0.8, press=0.7, thin=0.3,
        frown=0.14, loudness=0.2, brow_rest=-0.7, brow_accent=0.08, brow_chance=1.0, blink_interval=6.0, lids=0.0,
        squint=0.4, gaze=2.0, nod=1.0, sway=0.3, turn=0.4, bow=1.5,
    ),
    "amazed": Style(
        "brows high, eyes wide, chin raised, the mouth tall and round",
        opening=20.5, tempo=0.95, jaw_share=0.9, rounding=1.35, spreading=0.7, teeth=0.5, flare=0.06, loudness=0.35,
        brow_rest=0.6, brow_accent=0.35, brow_chance=6.0, blink_interval=6.0, lids=0.0, squint=0.0, wide=0.55, gaze=6.0,
        nod=1.3, sway=1.2, turn=1.8, bow=-2.2,
    ),
    "brisk": Style(
        "lips flare and jaw snaps from sound to sound, as much and as fast as in the capture",
        opening=19.2, tempo=2.0, jaw_share=1.0, rounding=1.35, pucker=0.1, spreading=1.75, teeth=0.5, upper=2.4,
        press=0.2, asymmetry=0.0, jaw_seals=1.0, jaw_inertia=0.0, settle=0.135,
        brow_rest=0.04, brow_accent=0.4, brow_chance=5.0, blink_interval=3.2, gaze=4.0,
        nod=1.8, sway=0.7, turn=1.4,
    ),
}  # fmt: skip
