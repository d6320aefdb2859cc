"""The page's endpoints as MCP tools, called by a client over standard input and output."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests import studios
from tests.studios import quick_animate

mcp = pytest.importorskip("mcp", reason="mcp is not installed (training/requirements.txt)")
ROOT = Path(__file__).parents[1]
make_studio, serve, speech = studios.make_studio, studios.serve, studios.speech


def called(address, *calls):
    """What an agent's client gets: the tools by name, then each call's result."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def talk():
        command = StdioServerParameters(command=sys.executable, args=["-m", "app.agents", address], cwd=ROOT)
        async with mcp.Client(stdio_client(command)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            return tools, [await client.call_tool(name, given) for name, given in calls]

    return asyncio.run(talk())


def test_an_agent_makes_a_video_from_a_file_of_its_own(serve, speech, tmp_path):
    _, page = serve(animate=quick_animate)
    folder = tmp_path / "made"
    given = {"speech": str(speech), "folder": str(folder), "style": "calm"}
    tools, (styles, made, nowhere, wrong) = called(
        page,
        ("styles", {}),
        ("animate", given),
        ("animate", given | {"speech": "http://127.0.0.1/speech.wav"}),
        ("animate", given | {"head": "nobody"}),
    )
    assert set(tools) == {"styles", "animate", "motion"}
    assert "seed" in tools["animate"].input_schema["properties"] and "mp4" in tools["animate"].description
    assert styles.structured_content["voca"] == {"styles": {"S1": ""}, "heads": ["S1", "S2"]}
    video = Path(made.structured_content["video"])
    assert video.parent == folder and video.read_text() == ".mp4"
    assert {Path(path).suffix for path in made.structured_content["exports"]} == {".npz", ".csv", ".glb"}
    assert all(Path(path).parent == folder for path in made.structured_content["exports"])
    assert nowhere.is_error and "there is no file" in nowhere.content[0].text
    assert wrong.is_error and "there is no head" in wrong.content[0].text


def test_a_page_that_is_not_there_is_told(speech, tmp_path):
    _, (result,) = called("http://127.0.0.1:9", ("motion", {"speech": str(speech), "folder": str(tmp_path)}))
    assert result.is_error and "does not answer" in result.content[0].text
