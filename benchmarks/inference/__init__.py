"""Models behind servers: ours beside the peers', and engines on a GPU."""
