"""Lines of ``{"id", "language", "text"}`` in, lines of ``{"id", "spans": [[start, end, type], ...]}`` out: fathom.

Any other tool joins the comparison by such a program; see peer_types.py and tools.py.
"""

from __future__ import annotations

import json
import sys

from fathom.guard import Scanner


def main() -> None:
    scanner = Scanner()
    for line in sys.stdin:
        sentence = json.loads(line)
        spans = [(span.start, span.end, span.type) for span in scanner.find(sentence["text"])]
        print(json.dumps({"id": sentence["id"], "spans": spans}))


if __name__ == "__main__":
    main()
