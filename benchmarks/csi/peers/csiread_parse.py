"""csiread on a file of ESP32-CSI-Tool rows without a header; numbers and fields."""

import json
import sys
import time

import csiread

path, numbers = sys.argv[1], int(sys.argv[2])
began = time.process_time()
reader = csiread.ESP32(path, if_report=False, csi_only="--csi-only" in sys.argv, maxlen=numbers)
reader.read()
taken = time.process_time() - began
print(json.dumps({"frames": len(reader.csi), "seconds": taken}))
