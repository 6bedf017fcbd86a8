"""How good a model is: bits per byte of a text, a suite of small tasks with chance and intervals, a report."""
