"""The trained model of names: persons in Chinese and English, organisations in Chinese.

A linear model over hashed features scores what may be a name (csrc/guard/names.h); bench/guard/train_names.py trains
it. What its findings count as is told in persons.py and organisations.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

from fathom._guard import NameModel
from fathom.assets import ASSETS

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"PERSON", "ORGANISATION"})

_ORGANISATION = 4  # NameKind of csrc/guard/names.h: Chinese persons 0 to 2, English 3
#: Logit by kind at which a score is 0.5: in all less than one false alarm in 5,000 characters of ordinary text.
LEAST = [-1.0, -1.0, -1.0, 0.6, -2.0]
# Kinds of organisations, no names.
_KINDS = (
    "人民医院 人民法院 人民检察院 检察院 人民政府 公安机关 股份公司 股份有限公司 有限责任公司 有限公司 集团公司 "
    "商业银行 中央银行 村镇银行 投资银行 开户银行 银行支行 上市公司 科技公司 保险公司 物流公司 快递公司 物业公司 "
    "贸易公司 互联网公司 高级中学 职业学院 职业学校 技工学校 民办学校 公办学校 高等学校 中等学校 初级中学 中小学校 "
    "中级人民法院 高级人民法院 最高人民法院 基层人民法院 地方人民法院 最高人民检察院 专门委员会 常务委员会 "
    "居民委员会 村民委员会 仲裁委员会 委员会 律师事务所 会计师事务所 社区医院 综合医院 专科医院 三甲医院 公立医院 "
    "私立医院 大学 中学 小学 幼儿园 购物中心 数据中心 个人中心 服务中心 客服中心 控制中心 市中心 区中心 五星酒店 "
    "五星级酒店 经济型酒店 连锁酒店"
)
_KIND = frozenset(_KINDS.split())
# Times, and places and labels in English that look like names.
_NO_PERSON = re.compile(
    "周[一二三四五六日末天][前后起早晚上下内至]?|于[今明昨本上下次每近同].?|曾[任经于].?|师傅.?|师生.?|明[天白].|"
    "许可.?|何[处时].?|成为.?|单[独位].?|任何.?|万一.?|钱财|付款.?|常[能常].|高和.|"
    "Hong Kong|New York|San Francisco|Los Angeles|Las Vegas|Driver|Bearer|Sample|PO SO|Basic|Token|Art|"
    "London|Paris|Berlin|Tokyo|Madrid|Rome|Vienna|Moscow|Beijing|Shanghai|Boston|Chicago|Manchester|"
    "January|February|March|July|September|October|November|December|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|"
    "(?:Merry )?Christmas|Good|Check-in"
)
_LEADING = frozenset("从将给是到在")  # before a name, not of it
_NO_ORGANISATION = re.compile(
    "该.*|要.*|就去.*|做.*|明天.*|公司|"
    ".|[各给该本贵我每某]大?公司|.*[^一二三四五六七八九十]中|.*[^事]处|.*成为.*|.*[，。：].*"
)
_MONTHS = ("April", "May", "June", "August")  # names too
_BRANCH = re.compile("[\u4e00-\u9fff]{2,6}?(?:分公司|支行|分行|营业部|分店|分院|分校)|[(][\u4e00-\u9fff]{2,6}店[)]")
WORDS: Mapping[str, list[str]] = {}


@cache
def _model() -> NameModel:
    with np.load(ASSETS / "guard" / "names.npz") as parts:
        return NameModel(parts["words"], parts["weights"], float(parts["scale"]))


def find(page: Page) -> Iterator[Found]:
    text = page.text
    for start, end, kind, logit in _model().find(text, min(LEAST)):
        if logit < LEAST[kind]:
            continue
        score = 1 / (1 + math.exp(LEAST[kind] - logit))
        if kind == _ORGANISATION:
            start += text[start] in _LEADING
            if text[start:end] not in _KIND and _NO_ORGANISATION.fullmatch(text, start, end) is None:
                branch = _BRANCH.match(text, end)
                yield Found(start, branch.end() if branch else end, "ORGANISATION", min(0.94, score))
        elif _NO_PERSON.fullmatch(text, start, end) is None and (score > 0.8 or text[start:end] not in _MONTHS):
            yield Found(start, end, "PERSON", min(0.9, score))
