"""Names of persons, Chinese and English, also where nothing separates them from other text.

The model of names (names.py) finds most; rules add what needs no model: transliterated names with a dot (买买提·艾山),
whatever follows a label such as 姓名：, whoever is addressed as Mr. or Dr. What counts: a title is not part of a name,
so of 张先生 the surname 张 is masked, of 张伟先生 the whole 张伟, of Mr. Smith Smith; a familiar name is masked whole
(小张, 老张). Fictional and historical persons are persons. Not found: given names alone in Chinese, lower-case names in
English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .page import Found, Page

__all__ = ["WORDS", "find"]

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"

_LABELS = (
    "姓名 名字 联系人 收货人 收件人 寄件人 发件人 收款人 付款人 持卡人 户名 户主 业主 患者 "
    "病人 就诊人 监护人 投保人 被保险人 受益人 申请人 经办人 负责人 法定代表人 法人代表 代表人 "
    "代理人 被告人 原告 被告 借款人 担保人 出租人 承租人 甲方 乙方 签名 签字 入住人 预订人 "
    "乘客 旅客 乘车人 主治医师 审核人 审批人 报案人 投诉人 当事人 "
)
WORDS = {"person_label": _LABELS.split()}
_LABELLED = re.compile(rf"(?:\([^()\n]{{1,8}}\))? ?[:=-]\s?[\"“「]?([{_HAN}]{{2,4}})(?![{_HAN}·•・‧])")
# Characters that write foreign names; common words of one character that are also used so are left out.
_SOUND = (
    "丁丘丝丰丹丽乃乌乔买于亚亨京什仁仓伊休伟伦伯佐佛佩依俄先克兰其兹内冈冯凡凯切列利别力加努劳勃勒包卓南"
    "博卜卡卢厄古可史叶司合吉吐吾和哈哥唐喀嘉因图圣圭坎坚坡坦埃培基塔塞增士夏多夫央奇奈奎奥女如妮姆威娄娅"
    "娜孔孙孜孟季宁安宗宾密察尔尚尤尼居屈山巴布希帕席平库庞康廉弗强当彭彼德怀思恩恰惠慈戈戴扎托扬拉拜拥拿"
    "措提摩撒敏敖敦文斯施日旦旺昂昆明易显普曲曼曾朗木本朱朵李杜杰松林果查柯柴根格桑梅森次欣欧武比毕毛汀汉"
    "汗江汤沃沙法波泰泽洛津洪海涅温潘烈热爱牛特狄玉玛珀珂珊珍珠班理琳琼瑞瑟瓜瓦甘甫申登白皮盖福科穆立简米"
    "素索约纪纳纽绍维缪罕罗翁翰考耳耶肉肖肯胡艾芒芝芬芮苏若英范茨茱茹荣莉莎莫莱菲萨葛蒂蒙蒲蓬蕾藤西詹让许"
    "诺谢豪贝贡费贾赖赛赫路车辛达迈连迪逊道邓那邦郭里金钦钱错锡门阿陶隆雄雅雍雪雷霍韦顿香马高魏鲁鲍麦黎黑"
    "默齐"
)
_DOTTED = re.compile(rf"[{_SOUND}]{{1,7}}(?:[·•・‧][{_SOUND}]{{1,8}}){{1,4}}")
_ADDRESSED = re.compile(
    r"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\.? ([A-Z][A-Za-zÀ-ÿ'’-]+(?: [A-Z][A-Za-zÀ-ÿ'’-]+)?)"
)
_DOTS = re.compile("[·•・‧]")


def find(page: Page) -> Iterator[Found]:
    text = page.text
    for label in page.words.get("person_label", ()):
        if (match := _LABELLED.match(text, label.end)) is not None:
            yield Found(*match.span(1), "PERSON", 0.7)
    if _DOTS.search(text) is not None:
        for match in _DOTTED.finditer(text):
            yield Found(match.start(), match.end(), "PERSON", 0.8)
    for match in _ADDRESSED.finditer(text):
        yield Found(*match.span(1), "PERSON", 0.7)
