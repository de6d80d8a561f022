"""What EdgeFlow is measured beside: one file per peer, behind the interface of ``transport``."""
