"""YAML pipelines: from connectors through stages and models to agents and actions."""
