"""The command line: `python -m codetalker COMMAND`, with 0 for done and 2, after one line, for a user's mistake."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import warnings
from pathlib import Path

from tqdm import tqdm

from . import pipeline
from .audio import LIMIT_SECONDS, SHORTEST
from .casting import head_names
from .errors import UserError
from .shelf import DEFAULT_WEIGHTS, read_styles

USER_MISTAKE = 2  # exit code
# Failures of the machine that the user can mend, and that need no traceback.
OWN_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code, 2 with one line on stderr for a user's mistake."""
    try:
        options = build_parser().parse_args(arguments)
        hush_libraries(offline=options.run is not _import)  # which alone may fetch, and only what it is given by name
        signal.signal(signal.SIGTERM, _terminated)  # as an exception, so that unfinished output is removed
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno not in OWN_ERRORS:
            raise
        return _complain(f"{error.strerror}: {error.filename or 'the output'}")
    except KeyboardInterrupt:
        _complain("stopped; nothing was written")
        return 128 + signal.SIGINT


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="codetalker", description="Speech in, talking head out.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _add(commands, "animate", _animate, "speech to a side-by-side video: CodeTalker and FaceFormer")
    command.add_argument("speech", type=Path, metavar="SPEECH", help="a sound file, or a video with sound")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mp4")
    _add_model_options(command)
    _add_picture_options(command)
    command.add_argument("--baseline", choices=["faceformer", "none"], default="faceformer", help="beside CodeTalker")
    command.add_argument(
        "--export",
        type=_names,
        default=(),
        metavar="KINDS",
        help=f"any of {','.join(pipeline.EXPORT_KINDS)}, beside OUT",
    )
    command.add_argument("--report", type=Path, metavar="FILE.json", help="lengths, settings and measured seconds")

    command = _add(commands, "motion", _motion, "speech to a motion file, without rendering")
    command.add_argument("speech", type=Path, metavar="SPEECH")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.npz")
    command.add_argument("--model", choices=["talker", "baseline"], default="talker")
    _add_model_options(command)

    command = _add(commands, "stream", _stream, "speech that comes through a pipe to rows as of the export arkit")
    command.add_argument("--style", metavar="NAME[:SHARE,...]", help="as of `animate`")
    command.add_argument("--model", choices=["talker", "baseline"], default="talker")
    command.add_argument("--seed", type=int, default=0, help="another number, another take")
    told = "that a frame waits for, 0 to 0.2 (default): the more, the truer the lips"
    command.add_argument("--look-ahead", type=float, default=0.2, metavar="SECONDS", help=told)
    _add_weights(command)

    command = _add(commands, "render", _render, "a motion file and its speech to a video")
    command.add_argument(
        "motion", type=Path, metavar="MOTION", help="a .npz by `motion`, an ARKit .csv or .glb, or a .visemes.json"
    )
    command.add_argument("--speech", type=Path, required=True, metavar="SPEECH")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mp4")
    _add_picture_options(command)
    _add_limit(command)

    command = _add(commands, "styles", _styles, "the speaking styles of a bundle, a line each")
    _add_weights(command)
    command = _add(commands, "heads", _heads, "the heads that can speak, a line each: ours, or a bundle's templates")
    command.add_argument("--weights", type=Path, metavar="DIR", help="a bundle (default: the heads that come with us)")
    command = _add(commands, "doctor", _doctor, "what works on this machine, a line each")
    _add_weights(command)

    command = _add(commands, "import", _import, "a bundle from published checkpoints")
    command.add_argument("--kind", choices=["codetalker", "faceformer"], required=True)
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--config", type=Path, required=True, metavar="FILE.yaml")
    command.add_argument("--wav2vec2", required=True, metavar="DIR|CONFIG.json", help="or a name on the hub")
    command.add_argument("--stage1", type=Path, metavar="FILE", help="codetalker: the motion autoencoder")
    command.add_argument("--stage2", type=Path, metavar="FILE", help="codetalker: the predictor")
    command.add_argument("--model", type=Path, metavar="FILE", help="faceformer: the model")
    command.add_argument("--templates", type=Path, metavar="templates.pkl")
    command.add_argument("--topology", type=Path, metavar="FILE.ply")
    return parser


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage before it."""

    def error(self, message: str) -> None:
        raise UserError(f"{message} (see {self.prog} --help)")


def _add(commands: argparse._SubParsersAction, name: str, run, description: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
    command.set_defaults(run=run)
    return command


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--style", metavar="NAME[:SHARE,...]", help="one of `styles`, or a mixture: soft:0.7,lively:0.3"
    )
    command.add_argument("--seed", type=int, default=0, help="another number, another take")
    command.add_argument(
        "--decoding",
        choices=pipeline.DECODINGS,
        default="auto",
        help="of published models: whole is exact; windows beyond 20 s is the default; fast chooses some other codes",
    )
    command.add_argument(
        "--add",
        type=_additions,
        default=(),
        metavar="WHAT",
        help="life that no model predicts, drawn by the seed, on all heads alike: any of blink,gaze,sway,breath; "
        "auto for what all of them lack; none (default)",
    )
    _add_weights(command)
    _add_limit(command)


def _add_picture_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--head", metavar="NAME|FILE", help="one of `heads`, or a .glb, .vrm, .gltf, .obj, .ply or .stl"
    )
    command.add_argument("--size", type=int, default=512, metavar="PIXELS", help="of each picture (default: 512)")
    command.add_argument("--background", metavar="#RRGGBB", help="a colour instead of the glow behind the head")
    command.add_argument("--drift", action="store_true", help="let the camera sway slowly")


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights", type=Path, default=DEFAULT_WEIGHTS, metavar="DIR", help="a bundle (default: weights/open)"
    )


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit", type=_limit, default=LIMIT_SECONDS, metavar="SECONDS", help="longest speech (default: 120)"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _additions(text: str) -> tuple[str, ...]:
    names = _names(text)
    return () if names == ("none",) else names


def _limit(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {SHORTEST} to a day")
    return seconds


def _animate(options: argparse.Namespace) -> int:
    job = pipeline.Job(
        speech=options.speech,
        out=options.out,
        style=options.style,
        head=options.head,
        baseline=options.baseline != "none",
        size=options.size,
        background=options.background,
        drift=options.drift,
        seed=options.seed,
        decoding=options.decoding,
        exports=options.export,
        additions=options.add,
        report=options.report,
        limit_seconds=options.limit,
    )
    with _Bars() as bars:
        report = pipeline.animate(job, options.weights, progress=bars)
    _tell(report["head"], report.get("head_notes", []))
    _note(report)
    return 0


def _motion(options: argparse.Namespace) -> int:
    with _Bars() as bars:
        report = pipeline.write_motion(
            options.speech,
            options.out,
            options.weights,
            options.model,
            options.style,
            options.seed,
            options.limit,
            progress=bars,
            decoding=options.decoding,
            additions=options.add,
        )
    _note(report)
    return 0


def _stream(options: argparse.Namespace) -> int:
    from .live import write_rows
    from .streaming import Stream

    bundle = pipeline.open_bundle(options.weights)
    stream = Stream(bundle, options.style, options.model, options.look_ahead, options.seed)
    write_rows(stream, sys.stdin.buffer, sys.stdout)
    return 0


def _render(options: argparse.Namespace) -> int:
    with _Bars() as bars:
        head = pipeline.render_motion(
            options.motion,
            options.speech,
            options.out,
            options.head,
            options.size,
            options.limit,
            progress=bars,
            background=options.background,
            drift=options.drift,
        )
    _tell(head.name, head.notes)
    return 0


def _styles(options: argparse.Namespace) -> int:
    for name, words in read_styles(options.weights).items():
        print(f"{name}\t{words}" if words else name)
    return 0


def _heads(options: argparse.Namespace) -> int:
    print("\n".join(head_names(options.weights)))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    findings = examine(options.weights)
    for finding in findings:
        print(f"{finding.name:8} {'ok' if finding.works else 'MISSING' if finding.needed else 'no':8} {finding.words}")
    return 0 if all(finding.works or not finding.needed for finding in findings) else 1


def _import(options: argparse.Namespace) -> int:
    required = ("stage1", "stage2") if options.kind == "codetalker" else ("model",)
    missing = [f"--{name}" for name in required if getattr(options, name) is None]
    if missing:
        raise UserError(f"--kind {options.kind} needs {' and '.join(missing)}")
    from .published import import_bundle, summary

    imported = import_bundle(
        kind=options.kind,
        out=options.out,
        config=options.config,
        wav2vec2=options.wav2vec2,
        stage1=options.stage1,
        stage2=options.stage2,
        model=options.model,
        templates=options.templates,
        topology=options.topology,
    )
    print("\n".join(summary(imported)))
    return 0


class _Bars:
    """A progress bar for each stage on a terminal's stderr; silent anywhere else."""

    def __init__(self) -> None:
        self.stage: str | None = None
        self.bar: tqdm | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, stage: str, fraction: float) -> None:
        if stage != self.stage:
            self.__exit__()
            shape = "{desc:10}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}"
            # disable=None: no bar where stderr is not a terminal
            self.bar = tqdm(total=1.0, desc=stage, bar_format=shape, ncols=72, disable=None, leave=True)
            self.stage = stage
        self.bar.update(fraction - self.bar.n)


def hush_libraries(offline: bool = True) -> None:
    """Keeps the libraries' advice off stderr; errors still come through. offline: nothing is fetched by name."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", str(int(offline)))
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.ERROR)


def _terminated(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)


def _tell(head: str, notes: list[str]) -> None:
    """A line on stderr of what was guessed about a head, where anything was."""
    if notes:
        print(f"codetalker: the head {head}: {'; '.join(notes)}", file=sys.stderr)


def _note(report: dict) -> None:
    """A line on stderr where nothing could be added."""
    if "additions_note" in report:
        print(f"codetalker: {report['additions_note']}", file=sys.stderr)


def _complain(message: str) -> int:
    print("codetalker: " + " ".join(message.split()), file=sys.stderr)
    return USER_MISTAKE
