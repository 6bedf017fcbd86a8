"""``fathom serve --upstream``: what does not fit together is said before anything is served."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--upstream", "ftp://x"], "ftp://x"),
        (["--upstream", "https://user:secret@x/v1"], "FATHOM_UPSTREAM_KEY"),
        (["--upstream", "http://x", "--leaks", "some"], "mask, warn, block, off"),
        (["--upstream", "http://x", "--attachments", "eat"], "refuse, pass, redact"),
        (["--upstream", "http://x", "--operator", "redact"], "placeholder or surrogate"),
        (["--upstream", "http://x", "--vault-ttl", "9"], "--vault-dir"),
        (["--upstream", "http://x", "--upstream-key-file", "absent"], "absent"),
        (["--upstream", "http://x", "--dummy", "DeepSeek-V2-Lite"], "--upstream"),
        (["--upstream", "http://x", "--host", "0.0.0.0"], "--api-key-file"),
        (["--leaks", "mask"], "--upstream"),
        (["--privacy-page"], "--upstream"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(fathom, options, told) -> None:
    done = fathom("serve", "--port", "0", *options)
    assert done.code in (1, 2)
    assert told in done.err
    assert "secret" not in done.err
    assert done.err.count("\n") == 1
