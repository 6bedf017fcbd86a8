from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.eval.wording import absent, holds, normal, numbers, same, share_of_language


@pytest.mark.parametrize(
    "text", ["1,200", "１２００", "1200.0", "$1200", "1200元", "共１，２００元。", "**1200**", "= 1200.", "结果是1200"]
)
def test_a_number_is_equal_however_it_is_written(text) -> None:
    assert numbers(text) == [1200]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("40-12=28", [40, 12, 28]),
        ("40 − 52 = −12", [40, 52, -12]),
        ("an area of 120 m²", [120]),
        ("room B12 has 3 beds", [3]),
        ("3.5, 12.25 and 7", [Decimal("3.5"), Decimal("12.25"), 7]),
        ("1,200 and 1,2345", [1200, 1, 2345]),
        ("十二个", []),
        ("", []),
    ],
)
def test_numbers_are_read_as_they_stand(text, found) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("Lena Marsh", "lena  marsh."),
        ("（北门）", "(北门)"),
        ("¥45", "45元"),
        ("1200", 1200),
        ("1,200元", "１２００"),
        ("3", "3件"),
        ("139 0000 1111", "13900001111"),
        ("blue umbrella", "A blue umbrella"),
        ("The Light", "the light"),
        (None, None),
        (None, "null"),
        (None, ""),
    ],
)
def test_values_that_are_the_same(expected, found) -> None:
    assert same(expected, found)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("¥45", "$45"),
        ("007", "7"),
        ("3", "3pm"),
        ("5月", "5日"),
        ("2天", "2次"),
        ("45", None),
        ("45", ["45"]),
        ("45", {"value": "45"}),
        (None, "unknown"),
        (None, 0),
        ("no", "now"),
        ("The Light", "Light"),
        ("way", "Away"),
        ("", "x"),
    ],
)
def test_values_that_are_not(expected, found) -> None:
    assert not same(expected, found)


def test_a_part_is_not_found_within_a_longer_word_or_number() -> None:
    assert holds("It costs 1200 pounds.", "1,200")
    assert holds("在12号门", "12")
    assert not holds("no pears appear", "pea")
    assert not holds("in 2012", "12")
    assert not holds("3.12 metres", "12")
    assert not holds("12.5", "12")


@pytest.mark.parametrize(
    "answer",
    [
        "文中没有提到押金。",
        "材料里没有说明停车费用。",
        "这份文件没有写开放日期，无法回答。",
        "资料中找不到关于餐厅的内容。",
        "通知没说。",
        "通知里没写这一点。",
        "公告中并未提及退款。",
        "没有相关信息。",
        "文中未提供具体地址的信息。",
        "这份通知不包含票价信息。",
        "抱歉，从上面的内容无法得知。",
        "没有在通知中提到。",
        "文中没有对此作出说明。",
        "文中没有给出费用。",
        "原文没有提押金的事。",
        "The text does not mention a deposit.",
        "The text says nothing about parking.",
        "I cannot find the price in the text.",
        "The document does not give the price.",
        "The notice doesn’t say.",
        "It isn't stated in the notice.",
        "That is not specified.",
        "There is no information about refunds.",
        "This can't be determined from the letter.",
        "Sorry, there's no mention of lunch.",
        "The price is not given in the notice.",
        "The leaflet does not actually include that detail.",
        "It is impossible to tell from the message.",
        "THE POSTER IS SILENT ON THIS",
        "That isn't in the notice.",
        "No entry fee is mentioned.",
        "The letter gives no price.",
        "It's not given.",
        "通知没讲。",
    ],
)
def test_words_for_what_is_not_told_are_seen(answer) -> None:
    assert absent(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "不可以带狗。",
        "酒店不提供早餐。",
        "没有停车位。",
        "没有说明书的产品不能退。",
        "未满十二岁的儿童免票。",
        "资料费不退。",
        "没有资料费。",
        "他没有说谎。",
        "不需要提前预约，也没有提前入场。",
        "禁止拍照，不得使用闪光灯。",
        "无需押金。",
        "Dogs are not allowed.",
        "Breakfast is not included in the price.",
        "Towels are not provided.",
        "No, you may not park there.",
        "The café is not in the main building.",
        "The information desk is open from 9; there is no information desk upstairs.",
        "Notes are nothing to worry over.",
        "It costs 12 pounds.",
        "I don't know.",
        "No warm food is provided.",
        "It is not given to children.",
        "今天没讲课。",
        "",
    ],
)
def test_a_mere_no_is_not_taken_for_them(answer) -> None:
    assert not absent(answer)


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [("你好 OK", "zh", 0.5), ("café!", "en", 1.0), ("123 ！", "zh", 0.0), ("", "en", 0.0), ("こんにちは", "zh", 0.0)],
)
def test_letters_tell_the_language(text, language, share) -> None:
    assert share_of_language(text, language) == share


@given(st.text())
def test_normal_form_is_final_and_any_text_can_be_read(text) -> None:
    assert normal(normal(text)) == normal(text)
    assert all(number == number for number in numbers(text))
    assert absent(text) in (True, False)
