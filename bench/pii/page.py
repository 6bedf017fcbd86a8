"""The figures of docs/{en,zh}/pii-benchmark.md: what stands between its two marks is written here, the rest by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import ordinary
import report
import tools
from report import percent, table
from scoring import CHECKSUMMED, NAMES, Example, Score, group
from sentences import LANGUAGES

from fathom.guard.entities import ENTITIES

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- figures of run.py --docs -->\n", "<!-- end of figures -->\n"
EXAMPLES = 2  # of the misses and of the false alarms of a type

WORDS = {
    "en": {
        "zh": "Chinese",
        "en": "English",
        "goal": "| figure | {zh} | {en} | required |",
        "checksummed": "kinds with a checksum: recall, precision (%)",
        "names": "{type}: F1 (%)",
        "ordinary": "ordinary text: false alarms in 5,000 characters",
        "by_type": "{language}, by type",
        "type": "type",
        "by_disguise": "{language}, by disguise, names and addresses left out: recall (R), found at all (any)",
        "disguise": "disguise",
        "gold": "number",
        "exact": "exact",
        "any": "any",
        "alarms": "{language}: spans found in sentences without any entity",
        "all": "all",
        "behind": "Rows in which a peer is ahead of fathom by F1: {rows}.",
        "none": "none",
        "misses": "What fathom missed, with examples",
        "missed": "missed",
        "wrong": "False alarms of fathom, with examples",
        "number": "number",
        "examples": "examples (⟪…⟫; invisible characters as \\u…)",
        "ordinary_title": "Ordinary text",
        "characters": "characters",
        "true": "right",
        "other": "of another type",
        "false": "false alarms",
        "rate": "in 5,000 characters",
        "kinds": "of these",
    },
    "zh": {
        "zh": "中文",
        "en": "英文",
        "goal": "| 指标 | {zh} | {en} | 要求 |",
        "checksummed": "带校验位的类别：召回率、精确率（%）",
        "names": "{type}：F1（%）",
        "ordinary": "普通文本：每 5,000 字的误报数",
        "by_type": "{language}，按类别",
        "type": "类别",
        "by_disguise": "{language}，按变形（不含姓名、单位和地址）：召回率（R）、不论类别是否被找到（any）",
        "disguise": "变形",
        "gold": "数量",
        "exact": "边界全对",
        "any": "any",
        "alarms": "{language}：在不含实体的句子里报出的片段",
        "all": "合计",
        "behind": "F1 高于 fathom 的行：{rows}。",
        "none": "无",
        "misses": "fathom 漏掉的，附例",
        "missed": "漏报",
        "wrong": "fathom 的误报，附例",
        "number": "数量",
        "examples": "例子（⟪…⟫；不可见字符写作 \\u…）",
        "ordinary_title": "普通文本",
        "characters": "字数",
        "true": "正确",
        "other": "类别不对",
        "false": "误报",
        "rate": "每 5,000 字",
        "kinds": "其中",
    },
}
DISGUISES_ZH = {
    "plain": "原样",
    "glued": "紧贴汉字",
    "full-width": "全角",
    "zero-width": "零宽字符",
    "spaced": "带空格或分隔",
    "numerals": "中文数字",
}


def titles(scores: Mapping[str, Score]) -> dict[str, str]:
    return {name: tools.BY_NAME[name].title if name in tools.BY_NAME else name for name in scores}


def called(type: str, words: str) -> str:
    entity = ENTITIES[type]
    return f"{entity.zh} `{type}`" if words == "zh" else f"`{type}`"


def goals(scores: Mapping[str, Score], counted: Mapping[str, dict[str, object]], words: str) -> Iterator[str]:
    w, ours = WORDS[words], scores["fathom"]
    yield w["goal"].format(**w)
    yield "|---|---|---|---|"
    rows = (group(ours, language, CHECKSUMMED) for language in LANGUAGES)
    cells = " | ".join(f"{percent(row.recall)}, {percent(row.precision)}" for row in rows)
    yield f"| {w['checksummed']} | {cells} | 98, 97 |"
    for type in sorted(NAMES):
        cells = " | ".join(percent(ours.types[language, type].f1) for language in LANGUAGES)
        yield f"| {w['names'].format(type=called(type, words))} | {cells} | 85 |"
    cells = " | ".join(f"{counted[language]['per_5000']:.2f}" for language in LANGUAGES)
    yield f"| {w['ordinary']} | {cells} | ≤ {ordinary.PERMITTED:.0f} |"


def by_type(scores: Mapping[str, Score], language: str, words: str) -> Iterator[list[object]]:
    """Of fathom how often the bounds are exact, of the others how often a span of any type was there."""
    for type in report.rows(scores, language):
        line: list[object] = [called(type, words), scores["fathom"].types[language, type].gold]
        for name, result in scores.items():
            row = result.types[language, type]
            wide = name in tools.BY_NAME and f"~{type}" in tools.BY_NAME[name].types.values()
            line += [percent(row.recall), percent(row.precision) + ("*" if wide and row.right else "")]
            line += [percent(row.f1), percent((row.exact if name == "fathom" else row.anyhow) / row.gold)]
        yield line


def examples(found: list[Example], words: str) -> Iterator[list[object]]:
    by_type: dict[str, list[Example]] = {}
    for example in found:
        by_type.setdefault(example.type, []).append(example)
    for type, some in sorted(by_type.items(), key=lambda item: (-len(item[1]), item[0])):
        step = max(1, len(some) // EXAMPLES)
        shown = (report.excerpt(e, 14).replace("|", "\\|").replace("`", "'") for e in some[::step][:EXAMPLES])
        yield [called(type, words), len(some), "<br>".join(f"`{text}`" for text in shown)]


def figures(scores: Mapping[str, Score], words: str) -> Iterator[str]:
    w, columns = WORDS[words], titles(scores)
    characters, lines = ordinary.judged()
    counted = ordinary.count(characters, lines)
    yield from goals(scores, counted, words)
    ahead = report.behind(scores)
    yield ""
    yield w["behind"].format(rows=", ".join(ahead) or w["none"])
    for language in LANGUAGES:
        yield f"\n### {w['by_type'].format(language=w[language])}\n"
        head = [f"{columns[n]} {c}" for n in scores for c in ("R", "P", "F1", w["exact" if n == "fathom" else "any"])]
        yield from table([w["type"], w["gold"], *head], by_type(scores, language, words))
        yield f"\n### {w['by_disguise'].format(language=w[language])}\n"
        disguises = report.by_disguise(scores, language)
        named = ([DISGUISES_ZH[str(d)] if words == "zh" else d, *cells] for d, *cells in disguises)
        yield from table(
            [w["disguise"], w["gold"], *(f"{columns[n]} {c}" for n in scores for c in ("R", "any"))], named
        )
        yield f"\n### {w['alarms'].format(language=w[language])}\n"
        alarms = (
            [w["all"] if t == "all" else called(str(t), words), *c] for t, *c in report.by_alarm(scores, language)
        )
        yield from table([w["type"], *columns.values()], alarms)
    yield f"\n### {w['misses']}\n"
    yield from table([w["type"], w["missed"], w["examples"]], examples(scores["fathom"].misses, words))
    yield f"\n### {w['wrong']}\n"
    yield from table([w["type"], w["number"], w["examples"]], examples(scores["fathom"].alarms, words))
    yield f"\n### {w['ordinary_title']}\n"
    head = ["", *(w[name] for name in ("characters", "true", "other", "false", "rate", "kinds"))]
    rows = (
        [
            w[of],
            c["characters"],
            c["true"],
            c["type"],
            c["false"],
            f"{c['per_5000']:.2f}",
            ", ".join(f"{t} {n}" for t, n in c["types"].items()),
        ]
        for of, c in counted.items()
    )
    yield from table(head, rows)


def write(scores: Mapping[str, Score]) -> None:
    """Puts the figures between the marks of both pages."""
    for words in LANGUAGES:
        path = DOCS / words / "pii-benchmark.md"
        before, _, rest = path.read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(before + BEGIN + "\n" + "\n".join(figures(scores, words)) + "\n\n" + END + after, "utf-8")
