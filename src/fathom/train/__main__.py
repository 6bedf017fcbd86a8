"""``python -m fathom.train``: the loop without the command line's packages, for machines that have PyTorch alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import FathomError, language
from .run import OBJECTIVES, plot, train


def main() -> int:
    parser = argparse.ArgumentParser(prog="fathom.train", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in OBJECTIVES:
        verb = verbs.add_parser(name)
        verb.add_argument("recipe", type=Path)
        verb.add_argument("--run", type=Path, help="folder of the run; default: runs/RECIPE")
        verb.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="settings")
        verb.add_argument("--max-minutes", type=float)
    verb = verbs.add_parser("plot")
    verb.add_argument("run", type=Path)
    verb.add_argument("--out", type=Path)
    options = parser.parse_args()
    try:
        if options.verb == "plot":
            _say(str(plot(options.run, options.out)))
        else:
            outcome = train(options.verb, options.recipe, options.run, options.settings, options.max_minutes, say=_say)
            _say(f"{'finished' if outcome.finished else 'stopped'} at step {outcome.step}: {outcome.checkpoint}")
    except FathomError as error:
        _say(f"fathom: {error.message(language())}")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
