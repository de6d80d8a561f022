"""CSIKit on a file of ESP32-CSI-Tool rows."""

import contextlib
import io
import json
import sys
import time

from CSIKit.reader import get_reader

path = sys.argv[1]
said = io.StringIO()
began = time.process_time()
with contextlib.redirect_stdout(said):
    data = get_reader(path).read_file(path)
taken = time.process_time() - began
print(json.dumps({"frames": len(data.frames), "seconds": taken}))
