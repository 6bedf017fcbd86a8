"""``python -m fathom.cli`` is ``fathom``."""

from . import main

main()
