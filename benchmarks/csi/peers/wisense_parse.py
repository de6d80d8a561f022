"""wisense on rows of ESP32-CSI-Tool, line by line as its serial source reads them."""

import json
import sys
import time
from pathlib import Path

from wisense.core.connection import SerialCSISource

lines = Path(sys.argv[1]).read_text().splitlines()
source = SerialCSISource("unused")
began = time.process_time()
frames = sum(source._parse_esp32_csi_tool_line(line).n_subcarriers > 0 for line in lines)
taken = time.process_time() - began
print(json.dumps({"frames": frames, "seconds": taken}))
