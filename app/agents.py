"""`python -m app.agents [ADDRESS]`: a page's endpoints as tools for agents, by the Model Context Protocol (MCP).

It runs beside the agent and speaks over standard input and output; `pip install mcp==2.3.0` comes first. Speech is
read from the agent's machine and what is made is put there: a page that spoke MCP itself would fetch from anywhere.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def tools(address: str) -> MCPServer:
    """The server of those tools. address: the page's"""
    server = MCPServer("codetalker", instructions="Makes 3D heads say recorded speech, as video or as motion.")

    def call(endpoint: str, *given: object, speech: str = "", folder: str = "") -> Any:
        """What the endpoint answers, its files moved into the folder."""
        if endpoint != "/styles":
            if not Path(speech).is_file():  # an address is not fetched
                raise ToolError(f"there is no file {speech}")
            given = (handle_file(speech), *given)
            Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as fetched:
            try:
                with closing(Client(address, verbose=False, download_files=fetched)) as client:
                    answer = client.predict(*given, api_name=endpoint)
            except AppError as error:
                raise ToolError(str(error)) from None
            except (httpx.HTTPError, OSError, ValueError) as error:
                raise ToolError(f"the page at {address} does not answer: {error}") from None
            return kept(answer, Path(fetched).resolve(), Path(folder).resolve())

    @server.tool()
    def styles() -> dict[str, Any]:
        """What there is to choose from: {weights: {"styles": {name: a few words}, "heads": [names]}}."""
        return call("/styles")

    @server.tool()
    def animate(
        speech: str, folder: str, style: str = "", head: str = "", weights: str = "", additions: str = "", seed: int = 0
    ) -> dict[str, Any]:
        """Speech to a side-by-side video of two talking heads: CodeTalker's, and FaceFormer's, its baseline.

        Args:
            speech: path of a sound file of up to two minutes: wav, flac, ogg, opus, mp3, m4a, aiff, webm
            folder: where the files go that are made, in place of others of their names
            style: a speaking style of `styles`, or a mixture as in "calm:0.7,lively:0.3"; empty for the first
            head: of `styles`; empty for the first
            weights: of `styles`; empty for the first
            additions: any of blink,gaze,sway,breath, for both heads; empty for none
            seed: another whole number, another take

        Returns:
            paths of the video (mp4) and of the exports (npz, glb, csv), and a report
        """
        wanted = (style, head, weights, additions, seed)
        video, exports, report = call("/animate", *wanted, speech=speech, folder=folder)
        return {"video": video, "exports": exports, "report": report}

    @server.tool()
    def motion(
        speech: str, folder: str, style: str = "", weights: str = "", model: str = "talker", seed: int = 0
    ) -> dict[str, Any]:
        """Speech to a motion file (npz) without a video: ARKit weights and head rotation, or vertices, per frame.

        Args:
            speech, folder, style, weights, seed: as of `animate`
            model: talker (CodeTalker) or baseline (FaceFormer)

        Returns:
            the path of the motion
        """
        made, _ = call("/motion", style, weights, model, seed, speech=speech, folder=folder)
        return {"motion": made}

    return server


def kept(answer: Any, fetched: Path, folder: Path) -> Any:
    """The answer with the files in it moved from where they were fetched to."""
    if isinstance(answer, (list, tuple)):
        return [kept(part, fetched, folder) for part in answer]
    if not (isinstance(answer, str) and Path(answer).resolve().is_relative_to(fetched)):
        return answer
    return str(shutil.move(answer, folder / Path(answer).name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": ", 1)[1])
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:7860")
    tools(parser.parse_args().address).run()


if __name__ == "__main__":
    main()
