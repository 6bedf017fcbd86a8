"""The benchmark of personal data, in Chinese and English: fathom alone, or beside Presidio and LLM Guard.

    python bench/pii/run.py --split dev                    tables for fathom
    python bench/pii/run.py --split dev --misses CN_ID     what it missed of a type, and its false alarms of that type
    python bench/pii/run.py --split test --peers --docs    everybody's columns; the figures of the documentation
    python bench/pii/run.py --export sentences.jsonl       for another tool, whose spans come back by --spans FILE

The last line is JSON. Recognisers are tuned on ``dev`` alone; nobody who tunes looks at the failures on ``test``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import page
import report
import tools
from scoring import CHECKSUMMED, NAMES, Score, group, score
from sentences import LANGUAGES, SPLITS, Sentence, sentences


def summary(split: str, scores: dict[str, Score]) -> dict[str, object]:
    """Figures of the acceptance, and the rows in which a peer is ahead by F1."""
    result: dict[str, object] = {"benchmark": "pii", "split": split}
    ours = scores["fathom"]
    for language in LANGUAGES:
        checksummed = group(ours, language, CHECKSUMMED)
        result[f"{language}_checksummed"] = [round(checksummed.recall, 4), round(checksummed.precision or 0, 4)]
        result[f"{language}_names_f1"] = {t: round(ours.types[language, t].f1, 4) for t in sorted(NAMES)}
        result[f"{language}_all"] = [round(v or 0, 4) for v in report.overall(ours, language)]
        result[f"{language}_alarms_in_negatives"] = sum(n for (of, _), n in ours.negatives.items() if of == language)
    result["behind"] = report.behind(scores)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=SPLITS, default="dev")
    parser.add_argument("--peers", nargs="?", type=Path, const=tools.PEERS, help="folder that peers.sh made")
    parser.add_argument("--export", type=Path, help="write the sentences, as a tool reads them, and stop")
    parser.add_argument("--spans", type=Path, action="append", default=[], help="another tool's spans: a column")
    parser.add_argument("--misses", metavar="TYPE", help="failures of one type (ALL: of every type) instead of tables")
    parser.add_argument("--limit", type=int, default=60, help="failures shown")
    parser.add_argument("--docs", action="store_true", help="write the figures of docs/*/pii-benchmark.md")
    args = parser.parse_args()
    made: list[Sentence] = [s for language in LANGUAGES for s in sentences(args.split, language)]
    lines = tools.asked(made)
    if args.export:
        args.export.write_text(lines, "utf-8")
        return
    peers = args.peers or tools.PEERS
    compared = [t for t in tools.BY_NAME.values() if t is tools.FATHOM or (args.peers and (peers / t.name).is_dir())]
    scores = {tool.name: score(made, tools.run(tool, lines, peers)) for tool in compared}
    for path in args.spans:
        other = tools.Tool(path.stem, path.stem, {})
        scores[other.name] = score(made, tools.spans_of(other, path.read_text("utf-8")))
    if args.misses:
        print("\n".join(report.failures(scores["fathom"], args.misses, args.limit)))
    else:
        print("\n".join(report.tables(scores)))
    if args.docs:
        page.write(scores)
    print(json.dumps(summary(args.split, scores)))


if __name__ == "__main__":
    main()
