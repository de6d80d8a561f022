"""The same as ``edgeflow bench infer``: --host --port --model --warmup --count, and more."""

import sys

from edgeflow.cli import main

sys.exit(main(["bench", "infer", *sys.argv[1:]]))
