from __future__ import annotations

import pytest

from fathom.guard.scan import Scanner

SCANNER = Scanner()


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.type) for s in SCANNER.find(text)]


@pytest.mark.parametrize(
    ("text", "value", "type"),
    [
        ("护照号码为E12345678，", "E12345678", "PASSPORT"),
        ("E12345678是他的护照号", "E12345678", "PASSPORT"),
        ("持E12345678号护照入境", "E12345678", "PASSPORT"),
        ("my passport is 123456789", "123456789", "PASSPORT"),
        ("passport no. C59WF3A3U", "C59WF3A3U", "PASSPORT"),
        ("旅客持EA1234567登机", "EA1234567", "PASSPORT"),
        ("通行证（H12345678）", "H12345678", "CN_PERMIT"),
        ("持有港澳居民来往内地通行证，证件号：H1234567890", "H1234567890", "CN_PERMIT"),
        ("台胞证号码: 05123456", "05123456", "CN_PERMIT"),
        ("通行证H 12345678 01", "H 12345678 01", "CN_PERMIT"),
        ("军官证号：军字第1234567号", "军字第1234567号", "CN_MILITARY_ID"),
        ("出示海字第5030381号证件", "海字第5030381号", "CN_MILITARY_ID"),
        ("驾驶证档案编号：310012345678", "310012345678", "DRIVER_LICENCE"),
        ("driver's license (F255-921-50-094-0)", "F255-921-50-094-0", "DRIVER_LICENCE"),
        ("社保卡复印件，卡号: 451323266", "451323266", "CN_SOCIAL_SECURITY"),
        ("门诊号MZ-2015-34009的报告", "MZ-2015-34009", "MEDICAL_RECORD"),
        ("住院号：0031 9077 79。", "0031 9077 79", "MEDICAL_RECORD"),
        ("MRN 00123456", "00123456", "MEDICAL_RECORD"),
        ("银行账号：3100 0123 4567 890", "3100 0123 4567 890", "BANK_ACCOUNT"),
        ("account no. 5651685620.", "5651685620", "BANK_ACCOUNT"),
        ("微信号：zhang_san88", "zhang_san88", "ACCOUNT"),
        ("加V：lihua_8899", "lihua_8899", "ACCOUNT"),
        ("zhang_san88（微信）", "zhang_san88", "ACCOUNT"),
        ("QQ12345678", "12345678", "ACCOUNT"),
        ("DM @jane_doe on Instagram", "@jane_doe", "ACCOUNT"),
        ("VAT number: DE136695976", "DE136695976", "TAX_ID"),
        ("invoice for DE136695976", "DE136695976", "TAX_ID"),
        ("CPF 529.982.247-25", "529.982.247-25", "TAX_ID"),
        ("EIN 12-3456789", "12-3456789", "TAX_ID"),
        ("codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S", "TAX_ID"),
        ("车牌京A12345", "京A12345", "CN_PLATE"),
    ],
)
def test_found_by_its_label(text, value, type) -> None:
    assert (value, type) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "微信支付和QQ音乐",
        "微信 8.0.30 版本",
        "护照政策2024年更新",
        "the passport of 2024",
        "pop charts. In 1980 a style",
        "VAT number: DE136695977",
        "Twitter is down",
        "to handle exceptions",
        "base64/TG2w5YPVXVd7fJktilYWQ",
        "账号安全很重要",
        "型号E12345678",
    ],
)
def test_a_label_alone_is_not_enough(text) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "plate",
    [
        "京A12345",
        "粤B·D12345",
        "沪A D12345",
        "沪A1234学",
        "粤Z1234港",
        "使014578",
        "WJ京12345",
        "沪ａ１２３４５",
        "苏E05EV8",
    ],
)
def test_plates(plate) -> None:
    assert found(f"停着{plate}。") == [(plate, "CN_PLATE")]


@pytest.mark.parametrize("text", ["京ABCDE", "京A1234", "京I12345", "新A股上涨", "京A123456789"])
def test_no_plates(text) -> None:
    assert found(text) == []


def test_of_many_tax_numbers_the_label_alone_decides() -> None:
    text = "VAT number 12345678901; " * 100
    assert len([1 for _, type in found(text) if type == "TAX_ID"]) >= 30
