"""The page's own pieces of HTML and CSS."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from codetalker.errors import UserError

from . import evidence as lips
from .api import OUR_FAULT
from .handlers import Studio
from .log import tell
from .steps import Seen, Step, Stopped
from .takes import MIXED
from .telling import doing
from .words import say

VIEWER = ("canvas", "time", "model", "style", "speed", "back", "play", "pause", "loading", "gone", "failed")
LEGEND = ("heard", "closures", "pauses", "gap", "described")
TELL_FROM = 0.12  # of the whole: before, the time left is a guess
BUSY = ":root:has(#status .progress, talking-head)"  # a page with more to look at than its choices
STAGE = "stage"  # the folder of stage.py, seen from the page


def progress_bar(step: Step, elapsed: float, language: str) -> str:
    """elapsed: seconds since the job began"""
    percent, words = round(100 * step.fraction), doing(step, language)
    left = ""
    if step.fraction > TELL_FROM:
        seconds = max(1, round(elapsed * (1 - step.fraction) / step.fraction))
        left = f" · {say(language, 'left', seconds=seconds)}"
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="{html.escape(words)}"><span style="width: {percent}%"></span></div>'
        f"<p>{html.escape(words)} … {percent} %{html.escape(left)}</p>"
    )


def card_pictures(studio: Studio, weights: str) -> str:
    """CSS that gives each choice of #style and #head its picture. Those of styles move, until there is more to look at:
    then that of the style that is chosen, or pointed at. None does where no motion is wanted."""
    shelf, rules, still = studio.shelf, [], []
    for number in range(len(shelf.entry(weights).styles)):
        card, picture = f"#style label:nth-of-type({number + 1})", f"{STAGE}/{weights}/styles/{number}"
        resting = f"{{ background-image: url({picture}-still.webp) }}"
        rules.append(f"{card}::before {{ background-image: url({picture}.webp), url({picture}-still.webp) }}")
        rules.append(f"{BUSY} {card}:not(:hover, :focus-within, :has(:checked))::before {resting}")
        still.append(f"{card}::before {resting}")
    for number in range(len(shelf.heads(weights))):
        picture = f"{STAGE}/{weights}/heads/{number}.webp"
        rules.append(f"#head label:nth-of-type({number + 1})::before {{ background-image: url({picture}) }}")
    rules.append(f"@media (prefers-reduced-motion: reduce) {{ {' '.join(still)} }}")
    return f"<style data-weights='{weights}'>{' '.join(rules)}</style>"


def talking_head(studio: Studio, seen: Seen, head: str, language: str) -> str:
    """The 3D view of a take, empty where only vertices move. head: its name"""
    take = seen.take
    if take is None:
        return ""
    entry = studio.shelf.entry(take.weights)
    styles = [{"name": name, "motion": str(number)} for number, name in enumerate(entry.styles)]
    first = MIXED if take.motion(MIXED).exists() else None
    if first:
        styles.insert(0, {"name": say(language, "viewer_mixed"), "motion": MIXED})
    else:
        names = list(entry.styles)
        first = str(names.index(take.job.style or names[0]))
    number = studio.shelf.heads(take.weights).index(head)
    attributes = {
        "head": f"{STAGE}/{take.weights}/heads/{number}.glb",
        "take": f"{STAGE}/takes/{take.token}/",
        "motion": first,
        "styles": json.dumps(styles),
        "words": json.dumps({name: say(language, f"viewer_{name}") for name in VIEWER}),
    }
    told = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<talking-head {told}></talking-head>"


def picture_of_lips(seen: Seen, language: str) -> str:
    """Empty where there is nothing to compare."""
    if seen.evidence is None:
        return ""
    return lips.draw(seen.evidence, {key: say(language, key) for key in LEGEND})


def watched(steps: Iterator, show: Callable[[Any], list], over: Callable[[], list], language: str) -> Iterator[list]:
    """What `show` makes of each step, or `over` where nothing comes of it; what goes wrong becomes a message for the
    visitor, without innards.
    """
    message = ""
    try:
        for step in steps:
            yield show(step)
        return
    except Stopped:
        pass
    except UserError as error:
        message = str(error)
    except Exception as error:
        tell("broken", error=error)  # ours to read
        message = OUR_FAULT
    yield over()  # first the buttons: nothing can follow the error
    if message:
        raise gr.Error(message, title=say(language, "trouble"), print_exception=False)
