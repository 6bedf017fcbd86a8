"""Training data: tokens on disk, and the batches of a run as a pure function of the step."""
