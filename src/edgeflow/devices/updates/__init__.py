"""New firmware for nodes over the network: keys, signing, one node, and many in stages."""
