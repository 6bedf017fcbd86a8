import json
import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.format import NUMBERS, groups
from fathom.data.generate.words import table

TEXTS = table("format")
MARKS = {"1.": r"\d\. ", "1)": r"\d\) ", "(1)": r"\(\d\) ", "a.": r"[a-g]\. ", "-": "- ", "*": r"\* ", "•": "• "}
HOLDS = {  # what a rule says, of an entry
    "initial": lambda entry, x: entry[0].upper() == x,
    "longest": lambda entry, x: len(entry) <= int(x),
    "lacking": lambda entry, x: x not in entry.lower(),
    "except": lambda entry, x: entry != x,
    "capitals": lambda entry, x: entry == entry.upper(),
    "short": lambda entry, x: len(entry) <= int(x),
}


FIELD = r"[^，。,.()（）\n]+?"
COUNT = r"\d+|[一两三四五六七八九十]|(?:one|two|three|four|five|six|seven|eight|nine|ten)\b"


def found(pattern, prompt, **fields):
    """The fields of a wording where it stands in a prompt; ``fields`` are expressions for some of them."""
    fields = {"n": COUNT, "k": COUNT} | fields
    parts = re.split(r"{(\w+)}", pattern)
    regex = "".join(
        rf"(?P<{part}>{fields.get(part, FIELD)})" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)
    )
    return re.search(rf"(?i){regex}(?=$|[，。,.()（）;?？:\n -])", prompt)


def counted(text):
    """ "3", "三", "three" -> 3"""
    for words in NUMBERS.values():
        if text in words:
            return words.index(text)
    return int(text)


def entries(reply, form):
    if form == "json":
        return json.loads(reply)
    if form in MARKS or form == "line":
        lines = reply.split("\n")
        assert all(re.match(MARKS.get(form, ""), line) for line in lines), reply
        return [re.sub("^" + MARKS.get(form, ""), "", line) for line in lines]
    return reply.split(form)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_lists_have_the_count_the_marks_and_the_words_that_were_asked_for(language) -> None:
    groups_by_name = {group.names[language == "en"]: group for group in groups()}
    checked, rules = 0, set()
    for example in generate("format", 900, seed=1, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        forms = {name for name, form in TEXTS["forms"].items() for w in form[language] if found(w, prompt)}
        asked = [m for ask in TEXTS["list"][language]["ask"] if (m := found(ask, prompt, c="|".join(groups_by_name)))]
        if not forms or not asked:
            continue
        listed = entries(reply, max(forms, key=len))
        assert len(listed) == len(set(listed)) in {counted(m["n"].lower()) for m in asked}, example
        foreign = any(wording in prompt for wording in TEXTS["other"][language])
        known = {w[(language == "en") != foreign].lower() for m in asked for w in groups_by_name[m["c"]].words}
        assert {entry.lower() for entry in listed} <= known, example
        for name, wordings in TEXTS["rules"].items():
            for match in filter(None, (found(w, prompt) for w in wordings[language])):
                x = match.groupdict().get("x", "").strip()
                if name == "sorted":
                    assert listed == sorted(listed, key=str.lower)
                elif name != "longest" or x.isdigit():
                    assert all(HOLDS[name](entry, x) for entry in listed), example
                rules.add(name)
        checked += 1
    assert checked > 250
    assert rules >= {"except", "sorted", "capitals", "initial"}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sentences_keep_to_their_number_length_and_words(language) -> None:
    texts, checked = TEXTS["about"][language], 0
    number = COUNT if language == "zh" else rf"(?:{COUNT}|a) sentences?"
    for example in generate("format", 1500, seed=2, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        asked = [m for ask in texts["ask"] if (m := found(ask, prompt, n=number))]
        if not asked or not re.search(r"[.!。！]$", reply):
            continue
        start = next(
            (m["x"] for w in texts["start"] if (m := re.search(w.replace("{x}", '(?P<x>[^”"]+)'), prompt))), ""
        )
        assert reply.startswith(start)
        body = reply.removeprefix(start).strip()
        count = len(re.findall(r"[.!。！](?=\s|$|[^\s.!。！])", body))
        words = {m["n"].lower().removesuffix(" sentences").removesuffix(" sentence") for m in asked}
        assert count in {1 if word == "a" else counted(word) for word in words}, example
        for name in ("holds", "most"):
            for wording in texts[name]:
                if match := re.search(re.escape(wording).replace(r"\{x\}", r"(\w+)"), prompt):
                    size = len(reply) if language == "zh" else len(reply.split())
                    assert match[1].lower() in reply.lower() if name == "holds" else size <= int(match[1]), example
        if any(wording in prompt for wording in texts["lines"]):
            assert reply.count("\n") == count - 1
        if any(wording in prompt for wording in texts["exclaim"]):
            assert len(re.findall("[!！]", body)) == count
        if any(wording in prompt for wording in texts.get("capitals", ())):
            assert reply == reply.upper()
        if any(wording in prompt for wording in texts.get("small", ())):
            assert reply == reply.lower()
        checked += 1
    assert checked > 150


@pytest.mark.parametrize("language", ["zh", "en"])
def test_choices_are_those_of_the_groups(language) -> None:
    side, texts = int(language == "en"), TEXTS["choice"][language]
    groups_by_name = {group.names[2 if side else 0]: {w[side] for w in group.words} for group in groups()}
    seen = {"yes": 0, "no": 0, "word": 0, "letter": 0}
    for example in generate("format", 1500, seed=3, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        for wording in texts["yes_no"]:
            if match := found(wording, prompt, c="|".join(groups_by_name)):
                member = match["w"].lower() in {w.lower() for w in groups_by_name[match["c"].lower()]}
                assert reply == texts["answers"][not member], example
                seen["yes" if member else "no"] += 1
        if re.fullmatch("[A-D]", reply):
            options = dict(re.findall(r"(?m)^\(?([A-D])[.):、]+ ?(.+)$", prompt))
            members = [
                {letter for letter, word in options.items() if word in words} for words in groups_by_name.values()
            ]
            assert {reply} in members
            assert len(options) > 1
            seen["letter"] += 1
        elif any(found(w, prompt, options=".+", c="|".join(groups_by_name)) for w in texts["pick"]):
            assert reply in prompt
            seen["word"] += 1
    assert min(seen.values()) > 20


@pytest.mark.parametrize("language", ["zh", "en"])
def test_wordings_are_many_and_complete(language) -> None:
    assert len(TEXTS["list"][language]["ask"]) >= 12
    assert len(TEXTS["about"][language]["ask"]) >= 12
    for part in ("choice", "echo"):
        assert sum(len(w) for kind, w in TEXTS[part][language].items() if kind != "answers") >= 12
    for kind, sentences in TEXTS["sentences"].items():
        assert kind in {group.kind for group in groups()}
        for sentence, word in sentences[language]:
            assert word in sentence.replace("{w}", "").lower()
            assert "{w}" in sentence
