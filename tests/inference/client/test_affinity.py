import pytest

from edgeflow.errors import ConfigError
from edgeflow.inference.client.gateways import Affinity, Gateway

THREE = [Gateway(port=port, name=f"gpu{port}") for port in range(3)]


def test_rules_name_the_gateways_in_order():
    affinity = Affinity(THREE, {"yolo*": "gpu2", "mobile*": ["gpu1", "gpu0"]})
    assert affinity.order("yolov5n_coco") == ["gpu2"]
    assert affinity.order("mobilenet") == ["gpu1", "gpu0"]


def test_other_models_are_spread_evenly_and_stay_where_they_are():
    affinity = Affinity(THREE)
    models = [f"model{number}" for number in range(300)]
    homes = {model: affinity.order(model)[0] for model in models}
    assert all(60 < list(homes.values()).count(name) < 140 for name in affinity.gateways)
    fewer = Affinity(THREE[:2])
    for model, home in homes.items():
        if home != "gpu2":
            assert fewer.order(model)[0] == home
        assert sorted(affinity.order(model)) == ["gpu0", "gpu1", "gpu2"]


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="gpu1"):
        Affinity(THREE, {"yolo*": "gpu11"})
    with pytest.raises(ConfigError, match="differ"):
        Affinity([Gateway(), Gateway()])
    with pytest.raises(ConfigError, match="must be one"):
        Affinity([])
    assert list(Affinity([Gateway("::1", 5)]).gateways) == ["::1:5"]
