"""False alarms in ordinary text: whole paragraphs of open sources, and every span found in them judged by hand.

    python bench/pii/ordinary.py                    the count, from the judgements of ordinary.jsonl alone
    python bench/pii/ordinary.py --data FOLDER      draws the same sample again, scans it, looks the spans up
    python bench/pii/ordinary.py --data FOLDER --write    ... and writes ordinary.jsonl anew with what is found now

``ordinary.jsonl``: a first line about the sample, then one judged span a line, with a few characters around it. A span
is ``true`` where it really is what its type says, be it ever so public; ``type`` where it is personal data of another
type of the list (a company taken for a person), rightly masked under a wrong name; else ``false``. Spans nobody judged
yet are printed, and written with an empty verdict: to be filled in by hand.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from fathom.guard import Scanner, Span

JUDGED = Path(__file__).parent / "ordinary.jsonl"
SEED, CHARACTERS, AROUND = 16_05, 60_000, 12
PERMITTED = 1.0  # false alarms in 5,000 characters


class Source(NamedTuple):
    language: str
    file: str  # JSON lines, zstd
    licence: str
    text: Callable[[dict[str, Any]], str]


def turns(record: dict[str, Any]) -> str:
    return "\n".join(turn["text"] for turn in record["turns"])


SOURCES = (
    Source("zh", "zhwiki/articles-01", "CC BY-SA 4.0", lambda r: r["text"]),
    Source("zh", "zh_ms_docs/docs-01", "CC BY 4.0", lambda r: r["text"]),
    Source("zh", "zh_tech_blogs/docs", "Apache-2.0, MIT, CC BY 4.0 or CC BY-SA 4.0", lambda r: r["text"]),
    Source("zh", "crosswoz/dialogues", "Apache-2.0", turns),
    Source("zh", "kdconv_zh/dialogues", "Apache-2.0", turns),
    Source("zh", "oasst_zh/sft", "Apache-2.0", lambda r: r["output"]),
    Source("zh", "ms_support_zh/articles", "CC BY 4.0", lambda r: r["body"]),
    Source("en", "enwiki/leads", "CC BY-SA 3.0", lambda r: r["text"]),
    Source("en", "sgd_dialogues/dialogues", "CC BY-SA 4.0", turns),
    Source("en", "python_docs_en_zh/pairs", "PSF-2.0", lambda r: r["en"]),
    Source("en", "en_novels/parts", "public domain", lambda r: r["text"]),
)


class Piece(NamedTuple):
    source: Source
    text: str


def records(path: Path) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield from map(json.loads, process.stdout)


def sample(data: Path) -> list[Piece]:
    """The same share of characters from every source of a language: records at random, of each a stretch of whole
    paragraphs of 300 to 1,500 characters."""
    pieces = []
    for source in SOURCES:
        rng = Random(f"{SEED} {source.file}")
        share = CHARACTERS / sum(s.language == source.language for s in SOURCES)
        texts = [text for r in records(data / f"{source.file}.jsonl.zst") if (text := source.text(r).strip())]
        taken = 0
        while taken < share:
            paragraphs = rng.choice(texts).split("\n")
            start, piece = rng.randrange(len(paragraphs)), ""
            for paragraph in paragraphs[start:]:
                if len(piece) >= 300 or len(piece) + len(paragraph) > 1500:
                    break
                piece += paragraph + "\n"
            if piece.strip():
                pieces.append(Piece(source, piece))
                taken += len(piece)
    return pieces


def entry(piece: Piece, span: Span) -> dict[str, str]:
    text = piece.text
    return {
        "language": piece.source.language,
        "source": piece.source.file.split("/")[0],
        "licence": piece.source.licence,
        "type": span.type,
        "before": text[max(0, span.start - AROUND) : span.start],
        "text": text[span.start : span.end],
        "after": text[span.end : span.end + AROUND],
    }


def key(line: dict[str, Any]) -> tuple[str, ...]:
    return tuple(line[name] for name in ("source", "type", "before", "text", "after"))


def judged() -> tuple[dict[str, int], list[dict[str, str]]]:
    """Characters of the sample by language, and the judged spans."""
    first, *rest = map(json.loads, JUDGED.read_text("utf-8").splitlines())
    return first["characters"], rest


def count(characters: dict[str, int], lines: list[dict[str, str]]) -> dict[str, Any]:
    """Per language: false alarms in all, in 5,000 characters, by type; and the other verdicts."""
    result: dict[str, Any] = {}
    for language, total in characters.items():
        false = [line["type"] for line in lines if line["language"] == language and line["verdict"] == "false"]
        verdicts = Counter(line["verdict"] for line in lines if line["language"] == language)
        result[language] = {
            "characters": total,
            "true": verdicts["true"],
            "type": verdicts["type"],
            "false": len(false),
            "per_5000": round(5000 * len(false) / total, 3),
            "types": dict(Counter(false).most_common()),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the sources, as compressed JSON lines")
    parser.add_argument("--write", action="store_true", help="write the spans found now, with the verdicts known")
    args = parser.parse_args()
    if args.data:
        pieces, scanner = sample(args.data), Scanner()
        found = [entry(piece, span) for piece in pieces for span in scanner.find(piece.text)]
        known = {key(line): line["verdict"] for line in judged()[1]} if JUDGED.exists() else {}
        lines = [{**line, "verdict": known.get(key(line), "")} for line in found]
        characters = Counter[str]()
        for piece in pieces:
            characters[piece.source.language] += len(piece.text)
        for line in lines:
            if not line["verdict"]:
                print(json.dumps(line, ensure_ascii=False))
        if args.write:
            rows = [{"characters": characters}, *lines]
            JUDGED.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    else:
        characters, lines = judged()
    unjudged = sum(not line["verdict"] for line in lines)
    print(json.dumps({"benchmark": "pii-ordinary", **count(dict(characters), lines), "unjudged": unjudged}))


if __name__ == "__main__":
    main()
