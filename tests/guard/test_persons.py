"""Names of persons: what is found, what is not, and where a name ends."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard import names, persons
from fathom.guard.page import Lexicon, Page, Shadow

LEXICON = Lexicon(persons.WORDS)


def found(text: str) -> list[str]:
    page = Page(Shadow(text), LEXICON)
    spans = sorted({(f.start, f.end) for m in (names, persons) for f in m.find(page) if f.type == "PERSON"})
    return [page.text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("帮我查一下陈晓东的快递到哪了，电话13812345678", ["陈晓东"]),
        ("李建国身份证110101199003078515已核验", ["李建国"]),
        ("收货人张伟13800138000", ["张伟"]),
        ("欧阳娜娜昨天来电话了", ["欧阳娜娜"]),
        ("对方负责人叫马国强", ["马国强"]),
        ("患者姓名：买买提·艾山", ["买买提·艾山"]),
        ("姓名：仝亮", ["仝亮"]),
        ("我叫张伟。", ["张伟"]),
        ("赵六", ["赵六"]),
        ("请扎西顿珠补交材料", ["扎西顿珠"]),
        ("Dear Fatima Odhiambo, a payment was made", ["Fatima Odhiambo"]),
        ("吴先生您好，您在我司办理的贷款已逾期", ["吴"]),
        ("已安排林志玲女士乘坐CA1234航班", ["林志玲"]),
        ("老李今天没来，老板也没来", ["老李"]),
        ("Could you check whether Sarah Connor has paid her bill?", ["Sarah Connor"]),
        ("Ms. Rodriguez-Lopez called.", ["Rodriguez-Lopez"]),
        ("Kind regards,\nJonathan Price\nSenior Engineer", ["Jonathan Price"]),
        ("Mike Johnson的电话是多少", ["Mike Johnson"]),
        ("Contact: Zhang Wei, 13800138000", ["Zhang Wei"]),
        ("Hi Will, can you call me?", ["Will"]),
    ],
)
def test_names_end_where_they_end(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "方法不对，王国安全，江苏和安徽的石头、金属，周末去黄山",
        "马上就到，高度和温度都正常，任何人都可以参加",
        "于是老师说：小心一点，白色的和黄色的都行",
        "包括项目、程序员、金融、方向、路由",
        "Will you mark my words? May I?",
        "The Python Software Foundation and the Windows Server manual",
        "I live in New York City and fly to San Francisco on Monday.",
        "Kind regards",
        "周末",
        "我叫周末来。",
        "Best regards,\nCustomer Support Team",
        "regards\n" * 5000,
    ],
)
def test_ordinary_words_are_no_names(text: str) -> None:
    assert found(text) == []


@given(st.text(alphabet=st.sampled_from("张王欧阳伟小老先生姓名：· .'-ABcde的1\n\u200b\ud800"), max_size=60))
def test_any_text_gives_spans_inside_it(text: str) -> None:
    page = Page(Shadow(text), LEXICON)
    for hit in (*names.find(page), *persons.find(page)):
        assert 0 <= hit.start < hit.end <= len(page.text)
        assert 0 < hit.score <= 1


@pytest.mark.parametrize(
    "unit", ["王", "欧阳", "姓名：", "张先生", "买·", "A ", "Aa ", "Aa-", "van ", "X. ", "A'", "aA"]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    started = time.process_time()
    found(text)
    assert time.process_time() - started < 1.5  # 0.1 to 0.4 s measured: room for a busy machine
