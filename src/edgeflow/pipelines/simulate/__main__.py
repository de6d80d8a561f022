"""``python -m edgeflow.pipelines.simulate``: the simulator where only the package is installed."""

from edgeflow.pipelines.simulate.sensor import main

if __name__ == "__main__":
    raise SystemExit(main(program="python -m edgeflow.pipelines.simulate"))
