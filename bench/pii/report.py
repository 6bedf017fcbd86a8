"""Tables of a run, its failures, and the pages of the documentation made from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from scoring import Example, Row, Score
from sentences import LANGUAGES

DISGUISES = ("plain", "glued", "full-width", "zero-width", "spaced", "numerals")


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def overall(result: Score, language: str) -> tuple[float, float | None]:
    """Recall and precision over all types of a language."""
    total = Row()
    for (of, _), row in result.types.items():
        if of == language:
            total.add(row)
    return total.recall, total.precision


def rows(scores: Mapping[str, Score], language: str) -> list[str]:
    """The types with gold in this language, most frequent first."""
    ours = scores["fathom"].types
    return sorted((t for of, t in ours if of == language and ours[of, t].gold), key=lambda t: -ours[language, t].gold)


def behind(scores: Mapping[str, Score]) -> list[str]:
    """``peer language type``: rows where a peer's F1 is above fathom's; of Chinese ones also where it is as good."""
    return [
        f"{peer} {language} {type}"
        for peer in scores
        if peer != "fathom"
        for language in LANGUAGES
        for type in rows(scores, language)
        if scores[peer].types[language, type].f1 - scores["fathom"].types[language, type].f1
        > -1e-9 * (language == "zh")
    ]


def table(header: Iterable[str], lines: Iterable[Iterable[object]]) -> Iterator[str]:
    names = list(header)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for line in lines:
        yield "| " + " | ".join(map(str, line)) + " |"


def by_type(scores: Mapping[str, Score], language: str) -> Iterator[list[object]]:
    for type in rows(scores, language):
        line: list[object] = [type, scores["fathom"].types[language, type].gold]
        for result in scores.values():
            row = result.types[language, type]
            line += [percent(row.recall), percent(row.precision), percent(row.f1)]
            line += [percent(row.exact / row.gold), percent(row.anyhow / row.gold)]
        yield line


def by_disguise(scores: Mapping[str, Score], language: str) -> Iterator[list[object]]:
    for disguise in DISGUISES:
        if gold := scores["fathom"].disguises[language, disguise].gold:
            found = (result.disguises[language, disguise] for result in scores.values())
            yield [
                disguise,
                gold,
                *(cell for row in found for cell in (percent(row.recall), percent(row.anyhow / gold))),
            ]


def by_alarm(scores: Mapping[str, Score], language: str) -> Iterator[list[object]]:
    """Spans found in sentences without any entity."""
    types = sorted({t for result in scores.values() for of, t in result.negatives if of == language})
    for type in types:
        yield [type, *(result.negatives[language, type] for result in scores.values())]
    yield ["all", *(sum(n for (of, _), n in result.negatives.items() if of == language) for result in scores.values())]


def tables(scores: Mapping[str, Score]) -> Iterator[str]:
    for language in LANGUAGES:
        yield f"\n{language}: recall, precision, F1, exact bounds, found at all (%)"
        yield from table(
            ["type", "gold", *(f"{n} {c}" for n in scores for c in ("R", "P", "F1", "exact", "any"))],
            by_type(scores, language),
        )
        yield f"\n{language}: recall and found at all by disguise, types other than names and addresses (%)"
        yield from table(
            ["disguise", "gold", *(f"{n} {c}" for n in scores for c in ("R", "any"))], by_disguise(scores, language)
        )
        yield f"\n{language}: spans found in sentences without any entity"
        yield from table(["type", *scores], by_alarm(scores, language))


def excerpt(example: Example, around: int) -> str:
    """The span in ⟪⟫ with some characters around it; what one can't see is written as its number."""
    text, start, end = example.sentence.text, example.start, example.end
    cut = text[max(0, start - around) : start] + "⟪" + text[start:end] + "⟫" + text[end : end + around]
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


def failures(result: Score, type: str, limit: int) -> Iterator[str]:
    def shown(e: Example) -> str:
        return f"{e.type:<18} {e.note:<28} {excerpt(e, 24)}"

    for title, examples in (("missed", result.misses), ("false alarms", result.alarms)):
        chosen = [e for e in examples if type in ("ALL", e.type)]
        yield f"{title}: {len(chosen)}"
        yield from map(shown, chosen[:limit])
