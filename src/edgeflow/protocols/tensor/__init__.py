"""The binary tensor protocol over TCP: version 1 (``v1``), version 2 (``v2``), sans-I/O.

Every message is a length (uint32, little-endian, of what follows) and a frame. A frame of a
request begins with the magic and the version, so one port serves both.
"""
