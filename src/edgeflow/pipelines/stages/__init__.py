"""Functions around a model. ``BUILT_IN`` says which modules have those that the YAML names."""

BUILT_IN = ("anomaly", "csi", "env", "fuse", "series", "vision")
