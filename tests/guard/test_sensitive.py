"""Health, religion, biometrics: only of somebody."""

from __future__ import annotations

import pytest

from fathom.guard import Scanner, sensitive

SCANNER = Scanner({"HEALTH", "RELIGION", "BIOMETRIC"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("患者既往有高血压、糖尿病病史", ["高血压", "糖尿病"]),
        ("我是穆斯林，不吃猪肉", ["穆斯林"]),
        ("系统采集了他的指纹", ["指纹"]),
        ("My wife was diagnosed with breast cancer.", ["cancer"]),
        ("She is a Buddhist.", ["Buddhist"]),
        ("糖尿病是一种常见的慢性病", []),
        ("Diabetes is a common disease.", []),
        ("手机支持指纹解锁", []),
    ],
)
def test_words_count_where_somebody_is_meant(text: str, words: list[str]) -> None:
    assert [text[span.start : span.end] for span in SCANNER.find(text)] == words


def test_they_are_looked_for_only_when_asked() -> None:
    assert Scanner().find("患者既往有高血压") == []
    assert set(sensitive.WORDS) == {"word_HEALTH", "word_RELIGION", "word_BIOMETRIC"}
