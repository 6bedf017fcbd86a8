"""Privacy: what is personal in a text, masking that can be undone, and limits on what comes in."""
