import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data.clean import flaw, languages_mixed, normalise, plain

ENGLISH = "The river runs from the hills to the sea, and small boats carry fish and salt along it every day."
CHINESE = "这条河从山里流到海边，每天都有小船沿着它运送鱼和盐，村里的人靠它生活，也靠它认识远方的人。" * 2


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  \n\n\n\nb", "a\n\nb"),
        ("e\u0301", "é"),
        ("\u3000首行\xa0缩进\u3000", "首行 缩进"),
        ("a<｜User｜>b<|im_end|>c", "abc"),
        ("a\x00\u200b\ufeff\u202eb\ufffd", "ab"),
    ],
)
def test_text_is_made_uniform(text, clean) -> None:
    assert normalise(text) == clean


@given(st.text())
def test_normalising_twice_changes_nothing_more(text) -> None:
    once = normalise(text)
    assert normalise(once) == once or "<" in once  # what a removed token leaves may spell another


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        (ENGLISH, "en", None),
        (CHINESE, "zh", None),
        (ENGLISH, "zh", "other language"),
        (CHINESE, "en", "other language"),
        (CHINESE, "", None),
        ("short", "en", "too short"),
        ("| 1 | 2 | 3 | 4.5 | -- | 99 | " * 5, "", "few letters"),
        ("the same line again\n" * 9 + "another line", "en", "repeated lines"),
    ],
)
def test_every_refusal_has_a_reason(text, language, reason) -> None:
    assert flaw(text, language, 60) == reason


@pytest.mark.parametrize(
    ("answer", "language", "mixed"),
    [
        ("Boil it for six minutes.", "en", False),
        ("Boil it 六分钟.", "en", True),
        ("煮六分钟，用 TCP/IP 也行。", "zh", False),
        ("Boil it for six minutes and then rest it.", "zh", True),
        ("OK", "zh", False),
        ("anything 都行", "", False),
    ],
)
def test_answers_in_the_other_language_are_seen(answer, language, mixed) -> None:
    assert languages_mixed(answer, language) is mixed


def test_texts_are_compared_without_case_spaces_and_punctuation() -> None:
    assert plain("What is _it_? 什么！") == plain("what IS it 什么")
