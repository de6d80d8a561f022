"""The HTTP API at the path of the requirements document: ``uvicorn pc.server:app``."""

from edgeflow.systems.mcu import create_app

app = create_app()
