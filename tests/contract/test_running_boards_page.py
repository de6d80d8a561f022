"""The page about running models on boards, done as a reader does it, on virtual boards."""

import json
from urllib.request import urlopen

from readers import on

from servers import free_port
from wired_boards import model_file


def command(reader, start):
    """Return the command of the page that begins so, without its comment."""
    (line,) = reader.commands(start)
    return line.partition("#")[0]


@on("how-to/boards.md")
def test_run_models_on_boards(reader):
    (reader.folder / "model_fp32.bin").write_bytes(
        model_file(1, steps=32, features=4, horizon=8, hidden=8)
    )
    with reader.serving(command(reader, "edgeflow devices virtual")) as boards:
        boards.says(r"/board0\n(.*\n)*.*/board1\n")
        printed = boards.log.read_text().splitlines()
        first, second = (line for line in printed if line.endswith(("/board0", "/board1")))

        def real(text):
            text = text.replace("/dev/ttyACM0", first).replace("/dev/ttyACM1", second)
            return text.replace("/dev/ttyUSB*", f"{second}*")

        reader.blocks = [each._replace(text=real(each.text)) for each in reader.blocks]
        reader.save()
        assert "T 32, F 4, H 8, hidden 8" in reader.run(command(reader, "edgeflow devices info"))
        assert "answers/s" in reader.run(command(reader, "edgeflow devices bench"))
        with reader.serving(command(reader, "edgeflow devices monitor")) as monitoring:
            monitoring.says("ready")
        told = reader.run("python forecast.py")
        assert "Timing(queue=" in told

        assert "no problems" in reader.run(command(reader, "edgeflow check"))

        http = free_port()
        ports = f"--http-port {http} --tcp-port {free_port()} --grpc-port {free_port()}"
        serve = f"edgeflow serve --models models.yaml {ports}"
        with reader.serving(serve) as server:
            server.says("Serving 2 models")
            for name in ("forecaster", "shared"):
                with urlopen(f"http://127.0.0.1:{http}/v2/models/{name}") as answer:
                    described = json.load(answer)
                assert described["inputs"] == [
                    {"name": "input", "datatype": "FP32", "shape": [-1, 32, 4]}
                ]
                assert described["outputs"][0]["name"] == "forecast"
