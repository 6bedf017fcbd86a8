"""The trained model of names: persons in Chinese and English, organisations in Chinese.

A linear model over hashed features scores what may be a name (csrc/guard/names.h); bench/guard/train_names.py trains
it. What its findings count as is told in persons.py and organisations.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

from fathom._guard import NameModel
from fathom.assets import ASSETS

from .page import Found, Page

__all__ = ["WORDS", "find"]

LEAST = -1.0  # logit at which a score is 0.5
_ORGANISATION = 4  # NameKind of csrc/guard/names.h
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
WORDS: Mapping[str, list[str]] = {}


@cache
def _model() -> NameModel:
    with np.load(ASSETS / "guard" / "names.npz") as parts:
        return NameModel(parts["words"], parts["weights"], float(parts["scale"]))


def find(page: Page) -> Iterator[Found]:
    for start, end, kind, logit in _model().find(page.text, LEAST):
        score = 1 / (1 + math.exp(LEAST - logit))
        if kind != _ORGANISATION:
            yield Found(start, end, "PERSON", min(0.9, score))
        elif page.text[start:end] not in _KIND:
            yield Found(start, end, "ORGANISATION", min(0.94, score))
