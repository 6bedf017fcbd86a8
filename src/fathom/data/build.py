"""``fathom data build``: a recipe to token sets and a data card.

Held-out documents are chosen first, by hash, so that nothing which repeats them or quotes them gets into training.
Then every source is read once, as a stream: form, normalisation, filters, contamination, duplicates, tokens. What is
left out is counted by reason. The folder is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fathom.errors import FathomError
from fathom.files import atomic_folder

from .card import Tally, write_card
from .clean import flaw, languages_mixed, normalise
from .duplicates import Contamination, Duplicates
from .encode import Encoder
from .forms import FORMS, Document
from .readers import Record, read
from .recipe import Recipe, Source
from .tokens import TokenSet, load_sets, write_set

__all__ = ["build"]

Report = Callable[[int, int], None]


def build(
    recipe: Recipe, roots: Sequence[Path], tokenizer: Path, out: Path, *, report: Report = lambda *_: None
) -> dict[str, TokenSet]:
    """Writes a new folder of token sets with ``card.json`` and ``CARD.md``; returns the sets by name.

    ``roots``: folders that the recipe's relative paths are looked for in, in this order. ``tokenizer``: a model folder.
    ``report`` gets bytes read and bytes in all.
    """
    work = _Build(recipe, roots, Encoder(tokenizer), report)
    with atomic_folder(out) as folder:
        work.write(folder)
    return load_sets(out)


class _Build:
    """One build: what has been seen so far, and what is counted."""

    def __init__(self, recipe: Recipe, roots: Sequence[Path], encoder: Encoder, report: Report) -> None:
        self.recipe, self.encoder, self.report = recipe, encoder, report
        self.files = {source: _found(source.files, roots) for source in recipe.source}
        self.tallies = {source: Tally() for source in recipe.source}
        self.seen, self.evaluation = Duplicates(), Contamination()
        for path in _found(recipe.against, roots):
            for number, record in enumerate(read(path), 1):
                try:
                    self.keep_out(record)
                except (KeyError, TypeError) as error:
                    problem = f"record {number}: messages expected, each with content ({type(error).__name__}: {error})"
                    raise FathomError("data_invalid", source=path, problem=problem) from None
        passes = [path for source in recipe.source for path in self.files[source] * (2 if source.held_set else 1)]
        self.total, self.done = sum(path.stat().st_size for path in passes), 0

    def keep_out(self, item: Record) -> None:
        """What training may not hold of an evaluation item: its texts and questions.

        A ``prompt`` beside a ``text`` or ``source`` only puts that into words, which training may teach.
        """
        worded = "text" in item or "source" in item
        for key, value in item.items():
            if key == "messages":
                for message in value:
                    self.evaluation.add(str(message["content"]))
            elif key == "answer":
                self.evaluation.add_passages(str(value))
            elif isinstance(value, str) and not (worded and key == "prompt"):
                self.evaluation.add(value)

    def write(self, folder: Path) -> None:
        held = self.held_out()
        for documents in held.values():
            for document in documents:
                self.seen.kind(_whole(document), near=0.0)
                self.evaluation.add_passages(_said(document))
        for name, documents in held.items():
            size = sum(len(_whole(document).encode()) for document in documents)
            self.write_set(folder, name, iter(documents), not isinstance(documents[0], str), size)
        for name, sources in self.recipe.sets().items():
            kept = (document for source in sources for document in self.kept(source))
            self.write_set(folder, name, kept, sources[0].is_conversation, 0)
        write_card(folder, self.recipe, self.tallies, load_sets(folder), set(held))

    def write_set(self, folder: Path, name: str, documents: Iterator[Document], talk: bool, size: int) -> None:
        encoder = self.encoder
        encoded = encoder.conversations(documents) if talk else encoder.texts(documents)  # type: ignore[arg-type]
        vocabulary = encoder.tokenizer.vocab_size
        write_set(folder / name, name, encoded, vocabulary=vocabulary, tokenizer=encoder.hash, text_bytes=size)

    def held_out(self) -> dict[str, list[Document]]:
        """The documents with the smallest hashes, of those that no filter refuses."""
        held: dict[str, list[Document]] = {}
        for source in self.recipe.source:
            if source.held_set:
                sound = (d for d in self.documents(source) if _flaw(d, source) is None)
                ranked = ((self.rank(document), i, document) for i, document in enumerate(sound))
                chosen = [document for _, _, document in heapq.nsmallest(source.held_out, ranked)]
                held.setdefault(source.held_set, []).extend(chosen)
        return {name: documents for name, documents in held.items() if documents}

    def kept(self, source: Source) -> Iterator[Document]:
        tally = self.tallies[source]
        for document in self.documents(source):
            whole = _whole(document)
            if reason := _flaw(document, source):
                tally.left_out[reason] += 1
            elif source.keep < 1 and self.rank(document) >= source.keep:
                tally.left_out["not chosen"] += 1
            elif any(map(self.evaluation.asked, _questions(document))) or self.evaluation.shares(_said(document)):
                tally.left_out["evaluation"] += 1
            elif reason := self.seen.kind(whole, source.near):
                tally.left_out[reason] += 1
            else:
                tally.kept += 1
                tally.bytes += len(whole.encode())
                yield document

    def documents(self, source: Source) -> Iterator[Document]:
        """The documents of a source in their form, normalised; the same ones at every call."""
        draw = random.Random(f"{self.recipe.seed}/{source.set}/{source.form}/{source.files}")
        try:
            for document in FORMS[source.form](self.records(source), draw):
                if isinstance(document, str):
                    yield normalise(document)
                else:
                    yield [{"role": m["role"], "content": normalise(m["content"])} for m in document]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            problem = f"its records don't have the form {source.form!r} ({type(error).__name__}: {error})"
            raise FathomError("data_invalid", source=", ".join(source.files), problem=problem) from None

    def records(self, source: Source) -> Iterator[Record]:
        for path in self.files[source]:
            start = self.done
            for record in read(path, advance=lambda position, start=start: self.advance(start + position)):  # type: ignore[misc]
                if all(str(record.get(key)) in values for key, values in source.where.items()):
                    yield record

    def advance(self, done: int) -> None:
        self.done = done
        self.report(min(done, self.total), self.total)

    def rank(self, document: Document) -> float:
        """A number in [0, 1) by which documents are chosen."""
        digest = hashlib.blake2b(f"{self.recipe.seed}/{_whole(document)}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") / 2.0**64


def _found(patterns: Iterable[str], roots: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        anchor = Path(pattern).anchor  # of an absolute path, which is looked for nowhere else
        places = [Path(anchor)] if anchor else roots
        try:
            here = next(filter(None, (sorted(place.glob(pattern.removeprefix(anchor))) for place in places)), None)
        except (ValueError, OSError) as error:  # "", "a**"; a name that is too long
            raise FathomError("data_invalid", source=f"{pattern:.80}", problem=error) from None
        if here is None:
            raise FathomError("data_invalid", source=pattern, problem=f"no such file in {', '.join(map(str, roots))}")
        found += here
    return found


def _flaw(document: Document, source: Source) -> str | None:
    if isinstance(document, str):
        return flaw(document, source.language, source.least)
    roles = [m["role"] for m in document]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        return "turns out of order"
    if not all(m["content"] for m in document):
        return "empty turn"
    answers = (m["content"] for m in document if m["role"] == "assistant")
    if source.strict and any(languages_mixed(answer, source.language) for answer in answers):
        return "other language"
    return None


def _whole(document: Document) -> str:
    return document if isinstance(document, str) else "\n".join(m["content"] for m in document)


def _said(document: Document) -> str:
    """What can be quoted: system messages are formulas that many conversations have in common."""
    return document if isinstance(document, str) else "\n".join(m["content"] for m in document if m["role"] != "system")


def _questions(document: Document) -> Iterator[str]:
    return (m["content"] for m in document if m["role"] == "user") if not isinstance(document, str) else iter(())
