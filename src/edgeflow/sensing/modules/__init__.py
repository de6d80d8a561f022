"""Sensing modules: small WebAssembly programs that see each frame and tell events."""
