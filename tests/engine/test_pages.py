"""The pool of pages: references, names, order of eviction."""

from __future__ import annotations

from fathom.engine.pages import PAGE, PagePool, chain

TOKENS = list(range(3 * PAGE))


def held(pool: PagePool, tokens: list[int]) -> list[int]:
    """The pages of a sequence that was computed and named."""
    pages, name = pool.match(tokens)
    new = pool.allocate(len(tokens) // PAGE - len(pages))
    assert new is not None
    for i, page in enumerate(new, len(pages)):
        name = chain(name, tokens[i * PAGE : (i + 1) * PAGE])
        pool.name(page, name)
    return pages + new


def test_a_released_prefix_is_found_but_never_the_whole_prompt() -> None:
    pool = PagePool(4)
    pages = held(pool, TOKENS)
    pool.release(pages)
    assert pool.free == 4
    assert pool.match(TOKENS)[0] == pages[:2]
    assert pool.match([*TOKENS, 7])[0] == pages
    assert [pool.references[p] for p in pages] == [2, 2, 1]


def test_another_prefix_and_pages_without_names_are_not_found() -> None:
    pool = PagePool(4)
    held(pool, TOKENS)
    assert pool.match([9, *TOKENS])[0] == []
    for page in range(4):
        pool.unname(page)
    assert pool.match(TOKENS)[0] == []


def test_pages_without_names_go_first_then_tails() -> None:
    pool = PagePool(5)
    pages = held(pool, TOKENS)
    unnamed = pool.allocate(2)
    assert unnamed is not None
    assert pool.allocate(1) is None
    pool.release(pages)
    pool.release(unnamed)
    taken = pool.allocate(3)
    assert taken == [*unnamed, pages[2]]
    assert pool.match([*TOKENS, 7])[0] == pages[:2]
