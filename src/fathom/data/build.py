"""``fathom data build``: a recipe to token sets and a data card.

Held-out documents are chosen first, by hash, so that nothing which repeats them or quotes them gets into training.
Then every source is read once, as a stream: form, normalisation, filters, contamination, duplicates, tokens. What is
left out is counted by reason.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fathom.errors import FathomError

from .clean import flaw, languages_mixed, normalise
from .duplicates import Contamination, Duplicates
from .encode import Encoder
from .forms import FORMS, Document
from .readers import Record, read
from .recipe import Recipe, Source
from .tokens import TokenSet, write_set

__all__ = ["Tally", "build"]

ROLES = ("system", "user", "assistant")
Advance = Callable[[int], None]


@dataclass
class Tally:
    """What became of the documents of a set or source."""

    kept: int = 0
    bytes: int = 0  # of text, UTF-8
    left_out: Counter[str] = field(default_factory=Counter)


def build(
    recipe: Recipe,
    roots: Sequence[Path],
    tokenizer: Path,
    out: Path,
    *,
    report: Callable[[int, int], None] = lambda *_: None,
    told: Callable[[str, TokenSet], None] = lambda *_: None,
) -> dict[str, TokenSet]:
    """Writes a folder of token sets below ``out``, ``card.json`` and ``CARD.md``; returns the sets by name.

    ``roots``: folders that the recipe's paths are looked for in, in this order. ``tokenizer``: a model folder.
    ``report`` gets bytes read and bytes in all; ``told`` every set when it is done.
    """
    files = {source: _files(source.files, roots) for source in recipe.source}
    encoder = Encoder(tokenizer)
    progress = _Progress(
        report, sum(p.stat().st_size for s in recipe.source for p in files[s] * (1 + bool(s.held_set)))
    )
    tallies: dict[Source, Tally] = {source: Tally() for source in recipe.source}
    seen, evaluation = Duplicates(), Contamination()
    for path in _files(recipe.against, roots):
        for record in read(path):
            for value in record.values():
                if isinstance(value, str):
                    evaluation.add(value)
    held = _held_out(recipe, files, progress)
    for documents in held.values():
        for document in documents:
            seen.kind(_whole(document), near=0.0)
            evaluation.add_passages(_said(document))
    sets: dict[str, TokenSet] = {}

    def write(name: str, documents: Iterator[Document], conversation: bool, size: int) -> None:
        encoded = encoder.conversations(documents) if conversation else encoder.texts(documents)  # type: ignore[arg-type]
        facts = {"vocabulary": encoder.tokenizer.vocab_size, "tokenizer": encoder.hash, "text_bytes": size}
        sets[name] = write_set(out / name, name, encoded, **facts)  # type: ignore[arg-type]
        told(name, sets[name])

    for name, documents in held.items():
        size = sum(len(_whole(document).encode()) for document in documents)
        write(name, iter(documents), not isinstance(documents[0], str), size)
    for name, sources in recipe.sets().items():
        kept = (
            document
            for source in sources
            for document in _kept(
                _documents(recipe, source, files[source], progress), recipe, source, tallies[source], seen, evaluation
            )
        )
        write(name, kept, sources[0].form != "text", 0)
    _card(recipe, sets, tallies, held, out)
    return sets


def _files(patterns: Iterable[str], roots: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        here = next(filter(None, (sorted(root.glob(pattern)) for root in roots)), None)
        if here is None:
            raise FathomError("data_invalid", source=pattern, problem=f"no such file in {', '.join(map(str, roots))}")
        found += here
    return found


def _documents(recipe: Recipe, source: Source, files: list[Path], progress: _Progress) -> Iterator[Document]:
    """The documents of a source in their form, normalised; the same ones at every call."""

    def records() -> Iterator[Record]:
        for path in files:
            for record in read(path, advance=progress.file()):
                if all(str(record.get(key)) in values for key, values in source.where.items()):
                    yield record

    draw = random.Random(f"{recipe.seed}/{source.set}/{source.form}/{source.files}")
    try:
        for document in FORMS[source.form](records(), draw):
            if isinstance(document, str):
                yield normalise(document)
            else:
                yield [{"role": m["role"], "content": normalise(m["content"])} for m in document]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        problem = f"its records don't have the form {source.form!r} ({type(error).__name__}: {error})"
        raise FathomError("data_invalid", source=", ".join(source.files), problem=problem) from None


def _held_out(recipe: Recipe, files: dict[Source, list[Path]], progress: _Progress) -> dict[str, list[Document]]:
    """The documents with the smallest hashes, of those that no filter refuses."""
    held: dict[str, list[Document]] = {}
    for source in recipe.source:
        if source.held_set:
            documents = _documents(recipe, source, files[source], progress)
            sound = (d for d in documents if _flaw(d, source) is None)
            smallest = heapq.nsmallest(source.held_out, ((_rank(recipe, d), i, d) for i, d in enumerate(sound)))
            held.setdefault(source.held_set, []).extend(d for _, _, d in smallest)
    return held


def _kept(
    documents: Iterator[Document],
    recipe: Recipe,
    source: Source,
    tally: Tally,
    seen: Duplicates,
    evaluation: Contamination,
) -> Iterator[Document]:
    for document in documents:
        whole = _whole(document)
        if reason := _flaw(document, source):
            tally.left_out[reason] += 1
        elif source.keep < 1 and _rank(recipe, document) >= source.keep:
            tally.left_out["not chosen"] += 1
        elif any(map(evaluation.asked, _questions(document))) or evaluation.shares(_said(document)):
            tally.left_out["evaluation"] += 1
        elif reason := seen.kind(whole, source.near):
            tally.left_out[reason] += 1
        else:
            tally.kept += 1
            tally.bytes += len(whole.encode())
            yield document


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


def _rank(recipe: Recipe, document: Document) -> float:
    """A number in [0, 1) by which documents are chosen."""
    digest = hashlib.blake2b(f"{recipe.seed}/{_whole(document)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2.0**64


class _Progress:
    def __init__(self, report: Callable[[int, int], None], total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def file(self) -> Advance:
        """Takes the position within the next file."""
        start = self._done

        def advance(position: int) -> None:
            self._done = start + position
            self._report(min(self._done, self._total), self._total)

        return advance


def _card(
    recipe: Recipe,
    sets: dict[str, TokenSet],
    tallies: dict[Source, Tally],
    held: dict[str, list[Document]],
    out: Path,
) -> None:
    """``card.json`` for programs and ``CARD.md`` for people: provenance, licence, counts, what was left out."""
    facts: list[dict[str, Any]] = []
    for source, tally in tallies.items():
        facts.append(asdict(source) | {"kept": tally.kept, "bytes": tally.bytes, "left_out": dict(tally.left_out)})
    made = {name: dict(s.meta) | {"held_out": name in held} for name, s in sets.items()}
    card = {"name": recipe.name, "seed": recipe.seed, "against": recipe.against, "sets": made, "sources": facts}
    (out / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", "utf-8")
    lines = [f"# {recipe.name}", "", "| set | documents | tokens | SHA-256 |", "|---|---:|---:|---|"]
    lines += [f"| {n} | {s.documents:,} | {len(s):,} | {s.hash[:16]} |" for n, s in sets.items()]
    lines += ["", "| set | origin | licence | form | kept | left out |", "|---|---|---|---|---:|---|"]
    for source, tally in tallies.items():
        out_of = ", ".join(f"{reason} {count:,}" for reason, count in tally.left_out.most_common())
        row = (source.set, source.origin, source.licence, source.form, f"{tally.kept:,}", out_of)
        lines.append(f"| {' | '.join(row)} |")
    (out / "CARD.md").write_text("\n".join(lines) + "\n", "utf-8")
