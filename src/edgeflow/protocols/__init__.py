"""Sans-I/O codecs: bytes to objects and back, one file per wire format."""
