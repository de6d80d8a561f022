"""The tutorial and the how-to pages, done as a reader does them: every file, every command."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.errors import UnreachableError
from edgeflow.runtime.attach import attach
from flows import wait_until
from mqtt_brokers import Broker, make
from servers import free_port, valkey
from small_models import save_scale

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
ABOVE = 'if __name__ == "__main__":'


class Block(NamedTuple):
    language: str
    text: str

    @property
    def file(self) -> str:
        """Name of the file that the block is, or an empty text."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Reader:
    """Somebody who has a page open and works in a folder of their own."""

    def __init__(self, page: str, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        text = (DOCS / page).read_text().replace("port=8000", f"port={self.port}")
        self.blocks = [Block(match[2], match[3]) for match in BLOCK.finditer(text)]
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GATEWAY_HTTP_PORT": str(self.port),
            "NO_COLOR": "1",
        }

    def save(self) -> None:
        """Save every block that names its file."""
        for block in self.blocks:
            if block.file:
                (self.folder / block.file).write_text(block.text)

    def commands(self, *starts: str) -> list[str]:
        """Return the command lines of the page that begin with one of ``starts``."""
        lines = [
            line.strip()
            for block in self.blocks
            if block.language == "bash"
            for line in block.lines
        ]
        return [line for line in lines if line.startswith(starts or ("",))]

    def printed(self, word: str) -> list[str]:
        """Return the lines of the output on the page that contains ``word``."""
        (found,) = [b for b in self.blocks if b.language == "text" and word in b.text]
        return [line for line in found.lines if line]

    def run(self, command: str, expected: int = 0) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            command.split(), cwd=self.folder, env=self.environment, timeout=60, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == expected, f"{command}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str, app: str, *, wait: bool = True) -> Iterator[list[str]]:
        """Run a command for a while; the list holds what it has printed after Ctrl+C."""
        said: list[str] = []
        log = self.folder / f"log-{free_port()}"
        with log.open("w") as out, subprocess.Popen(
            command.split(), cwd=self.folder, env=self.environment, stdout=out, stderr=out
        ) as process:  # fmt: skip
            try:
                if wait:
                    wait_until(lambda: flows_well(app) or process.poll() is not None, 30)
                yield said
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130, log.read_text()
            finally:
                process.kill()
        said += log.read_text().splitlines()


def flows_well(app: str) -> bool:
    """Tell whether frames have reached every node that takes some."""
    try:
        with attach(app) as flow:
            nodes = flow.status().nodes
    except UnreachableError:
        return False
    return all(node.frames_in >= 15 for node in nodes if node.role != "producer")


def assert_printed(page: list[str], output: str | list[str]) -> None:
    """Check that the lines of the page are printed, in this order, with other figures perhaps."""
    lines = output.splitlines() if isinstance(output, str) else output
    left = iter([words(line) for line in lines])
    for line in page:
        wanted = words(line)
        assert any(said[-len(wanted) :] == wanted for said in left), f"{line}\n" + "\n".join(lines)


def words(line: str) -> list[str]:
    """Return a line without what differs from run to run: figures, units of size, bars."""
    parts = [part for part in line.split() if set(part) - set("█─")]
    return [part if "main.py:" in part else without_figures(part) for part in parts]


def without_figures(word: str) -> str:
    word = re.sub(r"^-$|\d[\d.,]*(e-\d+)?", "#", word)
    return re.sub(r"^([KMG]i)?B$", "MiB", word)


@pytest.fixture
def reader(request, tmp_path):
    page = Reader(request.param, tmp_path)
    page.save()
    return page


def on(page):
    return pytest.mark.parametrize("reader", [page], indirect=True, ids=[page])


@on("tutorials/first-flow.md")
def test_first_flow(reader):
    main = reader.folder / "main.py"
    with reader.running("python main.py", "first-flow") as said:
        pass
    assert_printed(reader.printed("first-flow: ran"), said)

    step, fault = (b.text for b in reader.blocks if b.language == "python" and not b.file)
    two_nodes = main.read_text().replace(ABOVE, f"{step}\n\n{ABOVE}")
    main.write_text(two_nodes)
    assert_printed(reader.printed("no problems"), reader.run("edgeflow check main.py"))

    with reader.running("python main.py", "first-flow"):
        assert_printed(reader.printed("0/1"), reader.run("edgeflow status"))
        assert_printed(reader.printed('{"topic"'), reader.run("edgeflow tap edges --count 1"))
        assert reader.commands("edgeflow trace") == ["edgeflow trace"]
        told = reader.run("edgeflow trace")
        *path, _ = reader.printed("bottleneck: ")
        assert_printed(path, told)
        assert "bottleneck: " in told

    place = "    def process(self, image):\n"
    main.write_text(two_nodes.replace(place, place + fault.replace("99", "9").replace("100", "10")))
    with reader.running("python main.py", "first-flow"):
        wait_until(lambda: "boom" in reader.run("edgeflow status"), 20)
        assert_printed(reader.printed("declared at"), reader.run("edgeflow status"))

    main.write_text(two_nodes)
    with reader.running("python main.py --processes", "first-flow") as said:
        flow = attach("first-flow")
        os.kill(flow.status().nodes[2].pids[0], signal.SIGKILL)
        wait_until(lambda: flow.status().nodes[2].restarts > 0, 20)
        wait_until(lambda: flow.status().nodes[2].alive == 2, 20)
    assert_printed(reader.printed("process_restarting"), said)


@on("how-to/record-and-replay.md")
def test_record_and_replay(reader, tmp_path):
    tutorial = Reader("tutorials/first-flow.md", tmp_path)
    tutorial.save()
    step = next(b.text for b in tutorial.blocks if b.language == "python" and not b.file)
    main = tmp_path / "main.py"
    main.write_text(main.read_text().replace(ABOVE, f"{step}\n\n{ABOVE}"))
    record, show, replay = reader.commands()
    with reader.running("python main.py --processes", "first-flow"):
        table = reader.run(record)
    assert_printed(reader.printed("topic   frames"), table)
    assert_printed(reader.printed("topic   frames"), reader.run(show))
    assert table.endswith(reader.run(show).partition("\n")[2])
    with reader.running(replay, "first-flow") as said:
        pass
    assert any(re.match(r"camera: \d+ recorded frames", line) for line in said)


@on("how-to/find-the-bottleneck.md")
def test_find_the_bottleneck(reader, tmp_path):
    Reader("tutorials/first-flow.md", tmp_path).save()
    show, write = reader.commands()
    with reader.running("python main.py", "first-flow"):
        assert "bottleneck: " in reader.run(show)
        assert "traces written to trace.json" in reader.run(write)
    assert_is_chrome_trace((tmp_path / "trace.json").read_bytes(), {"camera", "web"})


def assert_is_chrome_trace(raw, nodes):
    """Check against the JSON object form of the Trace Event Format."""
    events = json.loads(raw)["traceEvents"]
    lanes = {e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert nodes <= lanes
    spans = [event for event in events if event["ph"] == "X"]
    assert spans
    for span in spans:
        assert isinstance(span["name"], str)
        assert {"pid", "tid"} <= set(span)
        assert span["ts"] >= 0
        assert span["dur"] >= 0


@on("how-to/run-a-flow.md")
def test_run_a_flow_one_node_at_a_time(reader, tmp_path):
    main = tmp_path / "main.py"
    readme = (DOCS.parent / "README.md").read_text().replace("port=8000", f"port={reader.port}")
    main.write_text(next(m[3] for m in BLOCK.finditer(readme) if "# main.py" in m[3]))
    with valkey() as server, ExitStack() as stack:
        reader.environment |= {
            "REDIS_HOST": server.host,
            "REDIS_PORT": str(server.port),
            "GATEWAY_TCP_PORT": str(free_port()),
        }
        doctor = reader.run("edgeflow doctor")
        assert re.search(rf"redis +valkey .* at {server.host}:{server.port}", doctor)
        for command in reader.commands("python main.py --node"):
            stack.enter_context(reader.running(command, "my-robot", wait=False))
        wait_until(lambda: flows_well("my-robot"), 30)
        assert_printed(["gateway  gateway  running  60.0  0.0  10  0  0  0  1  1"],
                       reader.run("edgeflow status"))  # fmt: skip


@on("how-to/keep-frames.md")
def test_keep_frames(reader, tmp_path):
    main, query = reader.commands()
    assert_printed(reader.printed("is bright"), reader.run(main))
    assert_printed(["58 {'mean': 58.0}", "59 {'mean': 59.0}"], reader.run(query))
    assert reader.run("edgeflow replay camera.mcap").startswith("camera.mcap: 60 frames, ")
    assert len((tmp_path / "brightness.jsonl").read_text().splitlines()) == 60
    with av.open(str(tmp_path / "camera.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 60


@on("how-to/test-a-flow.md")
def test_test_a_flow(reader):
    assert "3 passed" in reader.run(f"{reader.commands()[0]} -p no:cacheprovider")


@on("how-to/name-topics-in-a-node.md")
def test_name_topics_in_a_node(reader):
    with reader.running(reader.commands()[0], "styles") as said:
        pass
    (line,) = reader.printed("brightest")
    assert line in said


@on("how-to/pipelines.md")
def test_pipelines(reader, tmp_path):
    first, extra, *_ = (block.text for block in reader.blocks if block.language == "yaml")
    [plugin] = (block.text for block in reader.blocks if block.language == "python")
    save_scale(tmp_path / "models" / "air_quality.onnx", shape=("n", 3))
    file = tmp_path / "pipelines.yaml"
    reader.environment["MQTT_PASSWORD"] = "edge-secret"
    with make("nats", tmp_path / "broker", password="edge-secret") as broker:
        place = f"host: {broker.host}\n    port: {broker.port}"
        file.write_text(first.replace("host: 192.168.10.40", place) + "metrics_port: 0\n")
        check, draw, up, schema = (c.partition("#")[0].strip() for c in reader.commands())
        assert "floor1" in reader.run(check) and "buzzer" in reader.run(draw)
        assert '"threshold"' in reader.run(schema.partition(">")[0])
        with reader.running(up, "pipelines", wait=False) as said:
            assert asyncio.run(buzzed(broker))["value"] == 950
        assert any("air_quality" in line for line in said)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(plugin)
    stage, agent = extra.split("agents:\n")
    text = file.read_text().replace("    preprocess: env.vector_to_tensor\n", stage)
    text = text.replace("[alert]", "[alert, hot]").replace(
        "agents:\n  alert", f"agents:\n{agent}  alert"
    )
    file.write_text(text)
    assert "hot" in reader.run(check)


async def buzzed(broker: Broker) -> dict[str, Any]:
    """Send bad air until the buzzer is told about it; return what it is told."""
    options = MqttOptions(
        host=broker.host, port=broker.port, username="edge", password=broker.password
    )
    body = json.dumps({"co2_ppm": 950, "humidity_pct": 45.0, "temperature_c": 22.0}).encode()
    async with asyncio.timeout(40), MqttClient(options) as client:
        await client.subscribe("actuators/buzzer")
        heard = asyncio.ensure_future(anext(client.messages()))
        while not heard.done():
            await client.publish("sensors/hall/env", body, qos=1)
            await asyncio.wait([heard], timeout=0.2)
        told: dict[str, Any] = json.loads(heard.result().payload)
        return told


def test_every_page_is_followed():
    here = Path(__file__).read_text()
    pages = [path.relative_to(DOCS) for name in ("tutorials", "how-to")
             for path in (DOCS / name).glob("*.md")]  # fmt: skip
    assert [str(page) for page in pages if f'@on("{page}")' not in here] == []
