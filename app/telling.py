"""The report and the evidence in words, Markdown, in the visitor's language."""

from __future__ import annotations

from codetalker.pipeline import CAPTIONS

from .evidence import LATE, Evidence
from .steps import Result, Step
from .words import say

BREAK = "  \n"  # of a line, in Markdown


def in_words(result: Result, language: str = "en") -> str:
    """What was made, of what, and how long it took."""
    report = result.report
    seconds = report["seconds"]
    device = say(language, "gpu" if str(report["device"]).startswith("cuda") else "cpu")
    parts = [
        say(language, f"spent_{stage}", seconds=seconds[stage])
        for stage in ("speech", "talker", "baseline", "render")
        if seconds[stage]
    ]
    made = {name: report[name] for name in ("frames", "fps", "style", "head")}
    lines = [
        say(language, "made", audio=report["audio_seconds"], **made),
        say(language, "spent", total=seconds["total"], device=device, parts=", ".join(parts)),
    ]
    if report.get("additions_note"):
        lines.append(say(language, "of_additions", note=report["additions_note"]))
    elif report.get("additions"):
        lines.append(say(language, "added", names=", ".join(say(language, name) for name in report["additions"])))
    tuned = [f"{name} {report[name]:g}" for name in ("expressiveness", "smoothing") if name in report]
    if tuned:
        lines.append(say(language, "tuned", names=", ".join(tuned)))
    lines += [say(language, "of_head", note=note) for note in report.get("head_notes", [])]
    if result.imported:
        lines.append(say(language, "imported", weights=report["weights"]))
    if result.lost_gpu:
        lines.append(say(language, "no_gpu"))
    return BREAK.join(lines)


def figures(evidence: Evidence, result: Result | None, language: str = "en") -> str:
    """A list of what can be measured on the motion, and, once there is one, of what the result took."""
    lips = evidence.lips
    first = next(iter(lips.values()))
    lines = []
    if first.follows > 0:
        key = "in_sync" if abs(first.lag) < LATE else "out_of_sync"
        when = say(language, "after" if first.lag >= 0 else "before")
        told = say(language, key, lag=round(abs(1000 * first.lag)), when=when)
        lines.append(told.replace("CodeTalker", CAPTIONS[next(iter(lips))]))
    if evidence.asked:
        counted = {"asked": len(evidence.asked)}
        each = [
            say(language, "of_closures", model=CAPTIONS[name], made=one.made, **counted) for name, one in lips.items()
        ]
        lines.append(say(language, "closures_made", each=", ".join(each)))
    still = {name: one.still for name, one in lips.items() if one.still is not None}
    if still:
        each = [say(language, "share", model=CAPTIONS[name], share=share) for name, share in still.items()]
        lines.append(say(language, "stillness", each=", ".join(each)))
    added = bool(result and result.report.get("additions"))
    if len(lips) == 2 and not added and lips["baseline"].above > 0:
        lines.append(say(language, "above", times=lips["talker"].above / lips["baseline"].above))
    if result is not None:
        report, seconds = result.report, result.report["seconds"]
        motion = seconds["speech"] + seconds["talker"] + seconds["baseline"]
        lines.append(say(language, "speed", total=seconds["total"], audio=report["audio_seconds"], motion=motion))
    return "\n".join(f"- {line}" for line in lines)


def doing(step: Step, language: str = "en") -> str:
    """What happens now."""
    if step.ahead:
        return say(language, "next_in_line") if step.ahead == 1 else say(language, "in_line", ahead=step.ahead)
    return say(language, f"doing_{step.stage}") if step.stage else step.words
