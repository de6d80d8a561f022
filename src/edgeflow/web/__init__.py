"""The dashboard, REST API and video streams. Sees a flow only through ``core.ports``."""
