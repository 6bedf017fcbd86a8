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
from itertools import pairwise

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"PERSON"})

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"

_LABELS = (
    "姓名 名字 联系人 收货人 收件人 寄件人 发件人 收款人 付款人 持卡人 户名 户主 业主 患者 病人 就诊人 监护人 "
    "投保人 被保险人 受益人 申请人 经办人 负责人 法定代表人 法人代表 代表人 代理人 被告人 原告 被告 借款人 担保人 "
    "出租人 承租人 甲方 乙方 签名 签字 入住人 预订人 乘客 旅客 乘车人 主治医师 审核人 审批人 报案人 投诉人 当事人 "
    "持证人 持有人 持有者 开户人 登记人 领取人 代领人 报名人 值班人"
)
_TITLES = "mr.|mr |mrs.|mrs |ms.|ms |miss |mx |dr.|dr |prof.|prof |dear "
# Parts of Tibetan names, which are two parts and no family name.
_TIBETAN = (
    "扎西 顿珠 索朗 卓玛 卓嘎 次仁 旦增 丹增 桑吉 格桑 多吉 央金 拉姆 白玛 平措 仁青 仁增 洛桑 贡布 尼玛 达娃 巴桑 "
    "普布 边巴 旺堆 旺姆 措姆 曲珍 德吉 曲扎 罗布 玉珍 江央 强巴 益西 土登 阿旺 次旦 次旺 欧珠 晋美 班觉 赤列 次珍 "
    "央宗 曲桑 丹巴 泽仁 泽旺 才让 才旦 南杰 加措 嘉措 坚赞 卓拉 梅朵 拉珍"
)
_CLOSINGS = "regards|sincerely|faithfully|yours truly|cheers|many thanks|warmly|cordially|signed by|best wishes"
# Surnames that are hardly anything else, and words that begin with one all the same.
_PLAIN = "王李张刘陈杨赵吴周徐孙朱胡郭林罗郑梁谢宋唐韩邓冯曹彭肖董潘袁蔡蒋杜吕卢姚沈崔谭陆廖韦贾邹邱薛闫郝龚邵覃戴孔马"
_WORDS = (
    "周末|周[一二三四五六日天年边围期].?|林[业区地场].?|宋[体代朝].?|唐[代朝诗].?|"
    "王[国者子牌].?|陆[地军续].?|李子|谢谢.?|马[上路车桶虎].?|胡[同须椒].?"
)
_ALONE = re.compile(rf"\s*(?!(?:{_WORDS})\s*\Z)([{_PLAIN}][{_HAN}]{{1,2}})\s*")  # a text or a cell that is a name
_CALLED = re.compile(rf"(?:是)?(?!{_WORDS})([{_PLAIN}][{_HAN}]{{1,2}})(?![{_HAN}·•・‧])")
WORDS = {
    "person_called": ["我叫", "名叫", "他叫", "她叫", "名字叫", "名字是", "真名", "本名"],
    "person_closing": _CLOSINGS.split("|"),
    "person_label": _LABELS.split(),
    "person_title": _TITLES.split("|"),
    "person_tibetan": _TIBETAN.split(),
}
_LABELLED = re.compile(rf"(?:\([^()\n]{{1,8}}\))? ?[:=-]\s?[\"“「]?([{_HAN}]{{2,4}})(?![{_HAN}·•・‧])")
# Characters that write foreign names; common words of one character that are also used so are left out.
_SOUND = (
    "丁万丘东丝丰丹丽乃乌乔买于亚亨京什仁仓伊休伟伦伯佐佛佩依俄保先克兰其兹内冈冯凡凯切列利别力加努劳勃勒"
    "包卓南博卜卡卢卫厄古史叶司合吉吐吾哈哥唐喀嘉因图圣圭坎坚坡坦埃培基堡塔塞增士夏多夫央奇奈奎奥女如妮姆"
    "姬威娄娅娜孔孙孜孟季宁安宗宾密寇察尔尚尤尼居屈山崔巴布希帕席平库庞康廉弗强当彭彼得德怀思恩恰惠慈戈戴"
    "扎托扬拉拜拥拿措提摩撒敏敖敦文斯施日旦旺昂昆明易显普曲曼曾朗木朱朵李杜杰松林果柏查柯柴根格桑梅森次欣"
    "欧武比毕毛汀汉汗江汤沃沙治法波泰泽洁洛津洪海涅温潘烈热爱牛特狄玉王玛珀珂珊珍珠班理琳琼瑞瑟瓜瓦甘甫申"
    "登白皮盖福科穆立筑简米素索约纪纳纽绍维缪罕罗翁翰考耳耶肉肖肯胡舍艾芒芙芝芬芮苏若英范茨茱茹荣莉莎莫莱"
    "莲菲萝萨葛蒂蒙蒲蓝蓬蕾藤蜜西詹让许诺谢豪贝贡费贾赖赛赫路车辛达迈连迪逊道邓那邦郭里金钦钱错锡门阿陶隆"
    "雄雅雍雪雷霍露韦顿香马高魏鲁鲍麦黎黑默黛齐"
)
_DOTTED = re.compile(rf"[{_SOUND}]{{1,7}}(?:-[{_SOUND}]{{1,6}})?(?:[·•・‧][{_SOUND}]{{1,8}}){{1,4}}")
_NOBODY = "Sir|Madam|All|Team|Customer|Colleague|Friend|Valued|Hiring|Mr|Mrs|Ms|Miss|Dr|Prof|Santa|Dear|Diary|God|Lord"
_ADDRESSED = re.compile(rf" ?(?!(?:{_NOBODY})(?![a-z]))([A-Z][A-Za-zÀ-ÿ'’-]+(?: (?:[A-Z]\. )?[A-Z][A-Za-zÀ-ÿ'’-]+)?)")
_CLOSED = re.compile(  # the line below Kind regards,
    r",?[ \t]*\r?\n\s{0,4}(?![^\n]*(?:Team|Service|Support|Department|Office|Desk|Group|Manager|Engineer))"
    r"([A-Z][A-Za-zÀ-ÿ'’-]+(?: [A-Z]\.)?(?: [A-Z][A-Za-zÀ-ÿ'’-]+){1,2})[ \t]*(?=\r?\n|\Z)"
)
_DOTS = re.compile("[·•・‧]")


def find(page: Page) -> Iterator[Found]:
    text = page.text
    for label in page.words.get("person_label", ()):
        if (match := _LABELLED.match(text, label.end)) is not None:
            yield Found(*match.span(1), "PERSON", 0.7)
    if _DOTS.search(text) is not None:
        for match in _DOTTED.finditer(text):
            start = match.start() + (text[max(0, match.start() - 1) : match.start() + 1] == "知道")
            yield Found(start, match.end(), "PERSON", 0.8)
    parts = page.words.get("person_tibetan", [])
    for first, second in pairwise(parts):
        if first.end == second.start:
            yield Found(first.start, second.end, "PERSON", 0.85)
    if (match := _ALONE.fullmatch(text)) is not None:
        yield Found(*match.span(1), "PERSON", 0.6)
    for called in page.words.get("person_called", ()):
        if (match := _CALLED.match(text, called.end)) is not None:
            yield Found(*match.span(1), "PERSON", 0.75)
    for closing in page.words.get("person_closing", ()):
        if (match := _CLOSED.match(text, closing.end)) is not None:
            yield Found(*match.span(1), "PERSON", 0.8)
    for title in page.words.get("person_title", ()):
        stands = text[title.start].isupper() and not text[max(0, title.start - 1) : title.start].isalnum()
        if stands and (match := _ADDRESSED.match(text, title.end)) is not None:
            yield Found(*match.span(1), "PERSON", 0.7)
