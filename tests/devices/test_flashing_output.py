"""What esptool prints becomes progress, and errors that say what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.devices.flashing.output import OutputReader, explain
from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, UnreachableError

# printed by esptool 5.6.0
RUN = """\
esptool v5.6.0
Connected to ESP32-S3 on socket://127.0.0.1:1:
Chip type:          ESP32-S3 (QFN56) (revision v0.0)
Crystal frequency:  40MHz
MAC:                24:0a:c4:80:33:5f

Changed data sectors found, fast reflashing...
Reflashing 2 changed sectors at 0x00210000...
Flash will be erased from 0x00210000 to 0x00211fff...
Compressed 8192 bytes to 6000...
Writing at 0x00211000 ===>   50.0% 3.00kB/6.00kB [0s]
Writing at 0x00212000 ======> 100.0% 6.00kB/6.00kB [0s]
Wrote 8192 bytes (6000 compressed) at 0x00210000 in 0.1 seconds (14306.9 kbit/s).
Reflashing 1 changed sector at 0x00219000...
Flash will be erased from 0x00219000 to 0x00219fff...
Writing at 0x0021a000 ======> 100.0% 4.00kB/4.00kB [0s]
Wrote 4096 bytes at 0x00219000 in 0.1 seconds (14306.9 kbit/s).
Verifying written data...
Hash of data verified.

Hard resetting via RTS pin...
"""


def test_a_run_becomes_progress_over_all_regions() -> None:
    reader = OutputReader()
    steps = [step for line in RUN.splitlines() if (step := reader.feed(line))]
    assert [(step.step, step.done, step.total) for step in steps] == [
        ("erase", 0, 8192),
        ("write", 4096, 8192),
        ("write", 4096, 8192),
        ("write", 8192, 8192),
        ("erase", 8192, 12288),
        ("write", 8192, 12288),
        ("write", 12288, 12288),
        ("verify", 0, 0),
    ]
    assert (reader.mac, reader.chip) == (
        "24:0a:c4:80:33:5f",
        "ESP32-S3 (QFN56) (revision v0.0)",
    )
    assert (reader.erased, reader.written) == (12288, 12288)


@given(st.lists(st.text(max_size=80) | st.sampled_from(RUN.splitlines()), max_size=20))
def test_whatever_is_printed_gives_progress_within_bounds(lines: list[str]) -> None:
    reader = OutputReader(total=1000)
    for line in lines:
        step = reader.feed(line)
        assert step is None or 0 <= step.done <= max(step.total, reader.written)
    assert isinstance(explain(lines, "/dev/ttyACM0", "reading"), EdgeFlowError)


@pytest.mark.parametrize(
    ("printed", "kind", "message"),
    [
        (
            "A fatal error occurred: Could not open /dev/null, the port is busy or doesn't exist.",
            UnreachableError,
            "busy or gone",
        ),
        (
            "[Errno 13] could not open port /dev/x: [Errno 13] Permission denied: '/dev/x'\n"
            "A fatal error occurred: Could not open /dev/x, the port is busy or doesn't exist.",
            UnreachableError,
            "may not be opened by this user",
        ),
        (
            "A fatal error occurred: Failed to connect to Espressif device: No serial data",
            UnreachableError,
            "does not enter its ROM loader",
        ),
        (
            "A serial exception error occurred: device reports readiness but returned no data",
            UnreachableError,
            "was lost while reading: device reports",
        ),
        ("A fatal error occurred: MD5 of file does not match data in flash!", EngineError, "reads"),
        (
            "A fatal error occurred: File 'x' at offset 0x0ffff000 will not fit in 4194304 bytes",
            ConfigError,
            "will not fit",
        ),
        ("something else\nthe very last", EngineError, "failed while reading: the very last"),
        ("", EngineError, "it said nothing"),
    ],
)
def test_failures_name_the_port_and_the_way_out(
    printed: str, kind: type[EdgeFlowError], message: str
) -> None:
    error = explain(printed.splitlines(), "/dev/ttyACM0", "reading")
    assert type(error) is kind
    assert message in error.message
    assert error.hint or kind is EngineError
