"""`python -m benchmarks.rendering`: a new pyrender renderer for each frame against ours, and a video of ten seconds.

The other way is what published talking-head demos do: a trimesh, a pyrender.Mesh with the default material, a scene
with a light and an OffscreenRenderer, all made anew for each frame and head. It is given finished vertices; ours
deforms the head too. Both smooth edges with four samples a pixel. Each case runs in a process of its own, one after
the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from codetalker.head import Head, Part, list_heads, load_head
from codetalker.motion import ARKIT_NAMES, Animation

FPS = 30.0
WARM = 5  # frames drawn before the clock starts
MESHES = {"5k": (("skin",), False), "head": ((), False), "23k": (("skin", "eyes"), True)}  # parts, and if subdivided
VIDEO_SECONDS = 10.0


@dataclass
class Line:
    """Of the table: CPU milliseconds a frame of all processes, and frames a second, of both ways."""

    mesh: str
    vertices: int
    heads: int
    size: int
    their_cpu: float
    their_fps: float
    our_cpu: float
    our_fps: float

    def row(self) -> str:
        cells = [self.mesh, f"{self.vertices:,}", f"{self.heads} x {self.size}"]
        cells += [f"{self.their_cpu:.0f}", f"{self.our_cpu:.1f}", f"{self.their_cpu / self.our_cpu:.1f}"]
        cells += [f"{self.their_fps:.1f}", f"{self.our_fps:.1f}", f"{self.our_fps / self.their_fps:.1f}"]
        return f"| {' | '.join(cells)} |"


HEADING = (
    "| mesh | vertices | pictures | CPU ms, anew | CPU ms, ours | ratio | fps, anew | fps, ours | ratio |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def make_head(name: str, mesh: str) -> Head:
    """An open head, a part of it, or a part with four faces for each."""
    head = load_head(name)
    names, subdivided = MESHES[mesh]
    parts = [part for part in head.parts if not names or part.name.split()[0] in names]
    rows = [np.arange(part.vertices.start, part.vertices.stop) for part in parts]
    start = np.cumsum([0, *map(len, rows)])
    faces = [head.faces[part.faces] - part.vertices.start for part in parts]
    count = len(head.vertices)
    columns = np.hstack(
        [head.vertices, head.colours, head.neck.share[:, None], head.shapes.swapaxes(0, 1).reshape(count, -1)]
    )
    pieces = [_subdivide(columns[row], face) if subdivided else (columns[row], face) for row, face in zip(rows, faces)]
    start = np.cumsum([0, *(len(piece) for piece, _ in pieces)])
    ends = np.cumsum([0, *(len(face) for _, face in pieces)])
    columns = np.concatenate([piece for piece, _ in pieces]).astype(np.float32)
    return replace(
        head,
        vertices=columns[:, :3].copy(),
        colours=columns[:, 3:7].copy(),
        neck=replace(head.neck, share=columns[:, 7].copy()),
        shapes=np.ascontiguousarray(columns[:, 8:].reshape(len(columns), len(ARKIT_NAMES), 3).swapaxes(0, 1)),
        faces=np.concatenate([face + first for (_, face), first in zip(pieces, start)]).astype(np.int32),
        parts=[
            Part(part.name, slice(start[i], start[i + 1]), slice(ends[i], ends[i + 1]), part.material)
            for i, part in enumerate(parts)
        ],
        texcoords=np.zeros((len(columns), 2), np.float32),
        regions={},
    )


def _subdivide(columns: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from trimesh.remesh import subdivide

    _, faces, made = subdivide(columns[:, :3], faces, vertex_attributes={"all": columns})
    return made["all"], faces


def make_motion(frames: int) -> Animation:
    """Speech-like: the jaw opens and shuts, everything moves a little, the head sways."""
    seconds = np.arange(frames)[:, None] / FPS
    rates = np.arange(len(ARKIT_NAMES)) % 7 + 2.0
    weights = np.clip(0.15 * np.sin(seconds * rates + np.arange(len(ARKIT_NAMES))), 0.0, 1.0)
    weights[:, ARKIT_NAMES.index("jawOpen")] = 0.25 + 0.25 * np.sin(9.0 * seconds[:, 0])
    rotation = 0.05 * np.sin(seconds * (1.0, 1.3, 0.7))
    return Animation(weights.astype(np.float32), rotation.astype(np.float32), FPS)


def draw_anew(head: Head, heads: int, size: int, frames: int) -> tuple[float, float]:
    """-> CPU milliseconds a frame, frames a second"""
    os.environ["PYOPENGL_PLATFORM"] = "egl"
    import pyrender
    import trimesh

    from codetalker.render.figure import frame_portrait
    from codetalker.render.tile import FIELD_OF_VIEW

    motion, camera = make_motion(WARM + frames), frame_portrait(head)
    pose = np.eye(4)
    pose[:3, 3] = camera.target
    pose[2, 3] += 0.5 * camera.height / np.tan(0.5 * FIELD_OF_VIEW)
    colours = np.round(np.sqrt(head.colours.clip(0.0, 1.0)) * 255).astype(np.uint8)
    vertices = [head.deform(motion.weights[[i]], motion.head_rotation[[i]])[0] for i in range(WARM + frames)]

    def draw(moved: np.ndarray) -> np.ndarray:
        mesh = trimesh.Trimesh(moved, head.faces, vertex_colors=colours, process=False)
        scene = pyrender.Scene(ambient_light=(0.2, 0.2, 0.2), bg_color=(0, 0, 0))
        scene.add(pyrender.Mesh.from_trimesh(mesh, smooth=True))
        scene.add(pyrender.PerspectiveCamera(FIELD_OF_VIEW), pose=pose)
        scene.add(pyrender.DirectionalLight(intensity=3.0), pose=pose)
        renderer = pyrender.OffscreenRenderer(size, size)
        picture, _ = renderer.render(scene)
        renderer.delete()
        return picture

    for moved in vertices[:WARM]:
        draw(moved)
    start, spent = time.perf_counter(), time.process_time()
    for moved in vertices[WARM:]:
        np.hstack([draw(moved) for _ in range(heads)])
    return 1000 * (time.process_time() - spent) / frames, frames / (time.perf_counter() - start)


def draw_ours(head: Head, heads: int, size: int, frames: int) -> tuple[float, float]:
    """-> CPU milliseconds a frame of both processes, frames a second"""
    from codetalker.render import Track, render_frames

    tracks = [Track(head, make_motion(WARM + frames))] * heads
    for index, _ in enumerate(render_frames(tracks, FPS, size, background=None)):
        if index == WARM - 1:
            start, spent = time.perf_counter(), _cpu_seconds()
    return 1000 * (_cpu_seconds() - spent) / frames, frames / (time.perf_counter() - start)


def make_video(head: Head, heads: int, size: int, frames: int) -> tuple[float, float]:
    """-> seconds of CPU and of the clock for a video with sound and captions"""
    from codetalker.render import Track, check_gl, render_video

    tracks = [Track(head, make_motion(frames), caption) for caption in ("CodeTalker", "FaceFormer")[:heads]]
    speech = np.random.default_rng(0).normal(0.0, 0.05, round(16_000 * frames / FPS)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        check_gl()
        render_video(
            [replace(track, animation=make_motion(2)) for track in tracks],
            speech[:1_000],
            Path(folder) / "a.mp4",
            FPS,
            size,
        )
        start, spent = time.perf_counter(), _cpu_seconds()
        render_video(tracks, speech, Path(folder) / "video.mp4", FPS, size)
        return _cpu_seconds() - spent, time.perf_counter() - start


def _cpu_seconds() -> float:
    """Of this process, of those that it has waited for, and of the renderer's."""
    from codetalker.render.process import shared_process

    times = os.times()
    fields = Path(f"/proc/{shared_process().pid}/stat").read_text().rpartition(")")[2].split()
    drawing = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return times.user + times.system + times.children_user + times.children_system + drawing


WAYS: dict[str, Callable[[Head, int, int, int], tuple[float, float]]] = {
    "anew": draw_anew,
    "ours": draw_ours,
    "video": make_video,
}


def measure(way: str, head: str, mesh: str, heads: int, size: int, frames: int) -> tuple[float, float]:
    """One case, in a process of its own."""
    case = json.dumps([way, head, mesh, heads, size, frames])
    command = [sys.executable, "-m", "benchmarks.rendering", "--case", case]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return tuple(json.loads(told))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--head", default=list_heads()[0])
    parser.add_argument("--meshes", nargs="+", choices=MESHES, default=list(MESHES))
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 800])
    parser.add_argument("--heads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--frames", type=int, default=150, help="of ours; a tenth of it of the other way")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.case:
        way, head, mesh, heads, size, frames = json.loads(options.case)
        print(json.dumps(WAYS[way](make_head(head, mesh), heads, size, frames)))
        return
    print(f"{options.head}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n{HEADING}")
    for mesh in options.meshes:
        vertices = len(make_head(options.head, mesh).vertices)
        for size in options.sizes:
            for heads in options.heads:
                case = options.head, mesh, heads, size
                theirs = measure("anew", *case, max(2, options.frames // 10))
                ours = measure("ours", *case, options.frames)
                print(Line(mesh, vertices, heads, size, *theirs, *ours).row(), flush=True)
    frames = round(min(VIDEO_SECONDS * FPS, 2 * options.frames))
    for heads in options.heads:
        cpu, seconds = measure("video", options.head, "head", heads, options.sizes[0], frames)
        print(f"\nA video of {frames / FPS:.1f} s, {heads} x {options.sizes[0]}: {seconds:.1f} s, of CPU {cpu:.1f} s")


if __name__ == "__main__":
    main()
