"""The tutorial and the how-to pages, done as a reader does them: every file, every command."""

import json
import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import av
from readers import BLOCK, DOCS, Reader, assert_printed, flows_well, on

from edgeflow.runtime.attach import attach
from flows import wait_until
from servers import free_port, valkey

ABOVE = 'if __name__ == "__main__":'


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


def test_every_page_is_followed():
    here = "".join(each.read_text() for each in Path(__file__).parent.glob("test_*.py"))
    pages = [path.relative_to(DOCS) for name in ("tutorials", "how-to")
             for path in (DOCS / name).glob("*.md")]  # fmt: skip
    assert [str(page) for page in pages if f'@on("{page}")' not in here] == []
