"""The models that a ``pipelines.yaml`` is checked against."""
