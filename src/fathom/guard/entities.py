"""The closed list of what guard recognises. Placeholders, reports and the API use these names and no others."""

from __future__ import annotations

from typing import NamedTuple


class Entity(NamedTuple):
    """One kind of personal or secret data."""

    zh: str
    en: str
    sensitive: bool = False  # sensitive personal information in the sense of PIPL art. 28
    default: bool = True  # looked for unless the caller names the types


ENTITIES: dict[str, Entity] = {
    # people and places
    "PERSON": Entity("姓名", "name of a person"),
    "ORGANISATION": Entity("单位名称", "name of an organisation"),
    "ADDRESS": Entity("地址", "postal address, down to a street, estate, village or building"),
    "GEO": Entity("经纬度", "coordinates", sensitive=True),
    "BIRTH_DATE": Entity("出生日期", "date of birth"),
    # reach
    "PHONE": Entity("电话号码", "telephone number, mobile or fixed, any country"),
    "EMAIL": Entity("电子邮箱", "e-mail address"),
    "ACCOUNT": Entity("社交账号", "WeChat, QQ, Alipay or other account name, by context"),
    "URL": Entity("含凭证的网址", "web address with credentials, tokens or personal parameters"),
    "IP": Entity("IP 地址", "IPv4 or IPv6 address"),
    "MAC": Entity("MAC 地址", "hardware address of a network card"),
    "IMEI": Entity("IMEI", "number of a mobile device"),
    # papers
    "CN_ID": Entity(
        "居民身份证号", "resident identity number (GB 11643), also of foreign permanent residents", sensitive=True
    ),
    "PASSPORT": Entity("护照号", "passport number", sensitive=True),
    "CN_PERMIT": Entity("通行证号", "permit of Hong Kong, Macao or Taiwan residents", sensitive=True),
    "HKID": Entity("香港身份证号", "Hong Kong identity card", sensitive=True),
    "CN_MILITARY_ID": Entity("军官证号", "military identity card, by context", sensitive=True),
    "DRIVER_LICENCE": Entity("驾驶证号", "driving licence, by context", sensitive=True),
    "CN_SOCIAL_SECURITY": Entity("社保卡号", "social security or medical insurance number, by context", sensitive=True),
    "MEDICAL_RECORD": Entity("病历号", "number of a medical record, by context", sensitive=True),
    "US_SSN": Entity("美国社会安全号", "US social security number", sensitive=True),
    "US_ITIN": Entity("美国个人纳税号", "US individual taxpayer number", sensitive=True),
    "US_NPI": Entity("美国医疗提供者编号", "US national provider identifier"),
    "UK_NINO": Entity("英国国民保险号", "UK national insurance number", sensitive=True),
    "UK_NHS": Entity("英国医保号", "UK NHS number", sensitive=True),
    "TAX_ID": Entity("税号", "tax or VAT number of another country, by checksum and context"),
    "CN_USCC": Entity("统一社会信用代码", "unified social credit code (GB 32100)"),
    # vehicles
    "CN_PLATE": Entity("车牌号", "Chinese number plate"),
    "VIN": Entity("车架号", "vehicle identification number"),
    # money
    "BANK_CARD": Entity("银行卡号", "payment card number", sensitive=True),
    "BANK_ACCOUNT": Entity("银行账号", "bank account number, by context", sensitive=True),
    "IBAN": Entity("国际银行账号", "international bank account number", sensitive=True),
    "US_ROUTING": Entity("美国银行路由号", "US bank routing number (ABA)"),
    "CRYPTO": Entity("加密货币地址", "Bitcoin or Ethereum address"),
    # secrets
    "SECRET": Entity("密钥或口令", "key, token, password, private key"),
    # further classes of PIPL art. 28, found by their words; looked for only when asked
    "HEALTH": Entity("健康状况", "illness, treatment, disability", sensitive=True, default=False),
    "RELIGION": Entity("宗教信仰", "religious belief", sensitive=True, default=False),
    "BIOMETRIC": Entity("生物识别", "biometric data", sensitive=True, default=False),
    # the caller's own
    "CUSTOM": Entity("自定义", "entry of a user dictionary or custom pattern"),
}

DEFAULT_TYPES = frozenset(name for name, entity in ENTITIES.items() if entity.default)
