"""The pure heart: frames, graphs, QoS, clocks, ports. No I/O and no threads."""
