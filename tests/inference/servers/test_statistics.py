from edgeflow.errors import EngineError, OverloadedError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.servers.statistics import Statistics


def test_versions_that_clients_invent_leave_nothing_behind() -> None:
    statistics = Statistics()
    statistics.record("http", InferRequest("m", []), InferResponse("m", "1"), 1000)
    for number in range(50):
        invented = InferRequest("m", [], version=f"invented-{number}")
        statistics.record("http", invented, OverloadedError("it is still being loaded"), 1000)
    statistics.record("http", InferRequest("m", [], version="1"), EngineError("no"), 1000)
    sums = statistics.sums()
    assert list(sums) == [("m", "1")]
    assert (sums["m", "1"].successes, sums["m", "1"].failures) == (1, 51)
