"""Functions around a model: decode, preprocess, postprocess."""
