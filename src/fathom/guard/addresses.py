"""Postal addresses, Chinese and English, down to a street, estate, village or building.

A Chinese address is read from left to right as a chain of parts (省市区县 by a list of places, 镇 街道 村, 路 巷, 小区
大厦, 号 栋 单元 室). It starts at a known place, or, without one, at the name of a road or estate before a number,
which reaches back to the next function word. Wanted is a number, a building or a room, or a road or estate inside a
known district; a town or a district alone is no address unless a label (住址：) says so. English: a number and a
street, a P.O. box, and what follows them (flat, town, state, code).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from fathom.assets import ASSETS

from .page import Found, Page, Word

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"ADDRESS"})

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_STOP = "的了是我你您他她它们在于到往至住寄送址去给从请把被由向与及或就搬点这那哪吗呢吧啊很也都叫"
_NAME = rf"(?:(?![{_STOP}])[{_HAN}])"
_DIGITS = r"(?:[甲乙丙丁]?[0-9]{1,5}|[一二三四五六七八九十百零〇]{1,5}|[A-Za-z][0-9]{0,4}|[甲乙丙丁])"
_NUMBER = rf"{_DIGITS}(?:[-–—~之][0-9A-Za-z]{{1,5}}){{0,3}}"
_ROAD = "(?:大道|大街|路|街|巷|胡同|弄|道|里弄|公路|环线|坊)"
_ESTATE = (
    "(?:小区|社区|花园|家园|公寓|大厦|广场|新村|新城|名苑|雅苑|佳苑|嘉苑|大楼|写字楼"
    "|商务楼|宿舍|家属院|大院|山庄|别墅|公馆|工业园|工业区|科技园|产业园|创业园|软件园"
    "|物流园|园区|商城|商场|市场|购物中心|中心|国际|豪庭|华庭)"
)
_HAMLET = "(?:苑|庭|府|湾|轩|居|城|里|园|村|屯|庄)"
_PART = re.compile(
    rf"(?P<number>第?{_NUMBER} ?(?:号楼(?!下)|号院|号门|号铺|号|弄|支弄))"
    rf"|(?P<building>{_NUMBER} ?(?:栋|幢|座|塔|号楼|楼栋|期|区|组|队|社)"
    rf"|{_NAME}{{0,3}}[东西南北中主副][座楼塔](?![{_HAN}]))"
    rf"|(?P<room>{_NUMBER} ?(?:单元|层|楼(?!下)|室|房间|号房|房|户|门|铺)"
    rf"|(?<=[号栋幢座元层楼院])[0-9]{{1,4}}(?:-[0-9]{{1,4}}){{0,2}}(?![0-9.年月日元个]))"
    rf"|(?P<plain>(?<=[路街道巷弄])[0-9]{{1,5}}(?:-[0-9]{{1,4}}){{0,2}}(?![0-9.年月日天元个米人分:])(?!公里|千米))"
    rf"|(?P<admin>(?!{_NAME}{{1,8}}?{_ESTATE}){_NAME}{{1,6}}?(?:街道|镇|乡|新区|开发区|高新区|自治县|区|县|市)(?![{_HAN}]?[长政委局]))"
    rf"|(?P<road>{_NAME}{{1,7}}?{_ROAD}(?:[东西南北中一二三四五0-9]段)?(?![口灯线由径程过面况边人牌费局委办]))"
    rf"|(?P<estate>{_NAME}{{1,8}}?(?:[0-9]{{2,4}}{_NAME}{{1,6}}?)?{_ESTATE}(?![{_HAN}]?[长民委会]))"
    rf"|(?P<quarter>{_NAME}{{2,6}}?(?={_NUMBER}(?:栋|幢|座|塔|号楼|单元|层|室)))"
    rf"|(?P<hamlet>{_NAME}{{1,6}}?{_HAMLET}(?![{_HAN}]?[长民委会]))"
)
_SEED = re.compile("[号弄栋幢座室]|单元|组")  # after a number; no look-behind, which would slow the search
_COUNTED = frozenset("0123456789ABCDEFGHabcdefgh一二三四五六七八九十零〇甲乙丙丁")
_IN_NAME = re.compile(rf"[{_HAN}]|[0-9]{{1,4}}[{_HAN}]{{2}}")  # 阳光100国际新城
_NUMERAL = re.compile(rf"{_NUMBER}\Z")
_HAMLETS = frozenset("村屯庄里")
_PASSED = 20  # characters of a failed address that are read again
_MAX_PLACES = 6  # in a row; more are a list of places
_FINE = {"number", "building", "room", "plain"}  # parts that make an address of what is before them
_NAMED = {"road", "estate", "quarter", "hamlet", "admin"}
_NO_ROAD = re.compile(
    "(?:[国省县乡]道|道路|线路|网路|电路|思路|套路|铁路|高速公路|公路|马路|半路|一路|走路|迷路"
    "|出路|路路|上街|逛街|步行街|商业街|知道|味道|频道|渠道|轨道|管道|隧道|通道|赛道|报道"
    "|街道|一条|两条|几条|面条|链路|回路|旁路|短路|主干道|人行道|车道|跑道|河道|航道)$"
)
_SETTLED = re.compile(rf".{{2,6}}(?:{_ROAD}|{_ESTATE}|[苑村屯庄])")  # enough inside a district, without a number
_LABELLED = re.compile(r" ?(?:\([^()\n]{1,8}\))?[:=是为在]? ?[\"“]?")
_LABELS = (
    "收货地址 收件地址 寄件地址 家庭住址 家庭地址 户籍地址 通讯地址 联系地址 注册地址 办公地址 公司地址 单位地址 "
    "现住址 住址 住所地 住所 居住地 居住地址 户籍所在地 户籍地 地址 所在地 邮寄地址 详细地址 送货地址 家住 现住 "
    "现居 暂住 拟住 住在 寄到 寄往 送到"
)


def _places() -> tuple[list[str], int, int, int]:
    """Full and short names of places; the numbers from which on they are prefectures, counties, counties cut short."""
    levels = [line.split() for line in (ASSETS / "guard" / "places.txt").read_text(encoding="utf-8").splitlines()]
    cut = re.compile("(?:.{1,4}族自治州|(?:壮族|回族|维吾尔)?自治区|特别行政区|地区|省|市|盟)$")
    provinces, cities = ([*level, *(cut.sub("", name) for name in level)] for level in levels[:2])
    towns = [name[:-1] for name in levels[2] if name[-1] == "市" and len(name) > 2]
    rows = [sorted({name for name in row if len(name) > 1}) for row in (provinces, cities, levels[2], towns)]
    sizes = [len(row) for row in rows]
    return [name for row in rows for name in row], sizes[0], sum(sizes[:2]), sum(sizes[:3])


_NAMES, _CITIES_FROM, _COUNTIES_FROM, _TOWNS_FROM = _places()
WORDS = {
    "place": _NAMES,
    "address_label": _LABELS.split(),
    "post_box": ["po box", "p.o. box", "p. o. box", "p.o.box"],
}

_STREET = (
    "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Highway|"
    "Hwy|Parkway|Pkwy|Circle|Cir|Close|Crescent|Cres|Gardens|Grove|Mews|Row|Alley|Trail|Trl|Loop|Walk|Wharf|Broadway|Plaza|"
    "Quay|Rise|Park|Hill|View)"
)
_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_WORD = rf"(?:(?!I['’ ]|{_DAY})[A-Z][A-Za-z'’.-]{{0,24}}|[0-9]{{1,3}}(?:st|nd|rd|th)|[NSEW]{{1,2}}\.?)"
_UNIT = r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Building|Bldg)\.?|#) ?#?[0-9A-Za-z-]{1,6}"
_STREETS = re.compile(
    rf"[0-9]{{1,6}}[A-Za-z]?(?:-[0-9]{{1,5}})?,? "
    rf"(?:(?:{_WORD} ){{1,4}}?{_STREET}|Broadway)(?![A-Za-z])"
)
_JOINED = re.compile(r"[A-Za-z0-9.,$€£-]")  # before a number that counts no house
_BEFORE = re.compile(rf"(?<![A-Za-z0-9])(?:{_UNIT},? ){{0,3}}(?:No\.? ?)?\Z")
_BOX_NUMBER = re.compile(r" ?#?[0-9]{1,6}(?![0-9A-Za-z])")
# Of the United States, China, Britain, Australia.
_CODE = r"(?:[A-Z]{2}\.?,? )?[0-9]{5,6}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}|[A-Z]{2,3} [0-9]{4}"
_TOWN = rf"(?:Dublin [0-9]{{1,2}}|{_WORD}(?![0-9A-Za-z])(?: {_WORD}(?![0-9A-Za-z])){{0,3}})(?! ?[0-9]{{1,4}}(?![0-9]))"
_REST = re.compile(
    rf"(?:\.(?=,| (?:[NSEW]{{1,2}}(?![A-Za-z])|Apt|Suite|Ste|Unit|#)))?"
    rf"(?: (?:NW|NE|SW|SE|North|South|East|West|N|S|E|W)(?![A-Za-z])\.?)?"
    rf"(?:,? {_UNIT}(?![0-9A-Za-z]))?"
    rf"(?:,[ \n]{_TOWN}){{0,4}}(?:\n{_TOWN}(?=,? (?:{_CODE})))?(?:,?[ \n](?:{_CODE})(?![0-9A-Za-z]))?"
    r"(?:, (?:USA|United States|UK|United Kingdom|China|Canada|Australia|England)(?![A-Za-z]))?"
)


def _chains(text: str, places: list[Word]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Start and (end, finest level 0 to 2) after each of places that follow one another: 浙江省杭州市西湖区."""
    longest: dict[int, Word] = {}
    for word in places:
        if word.start not in longest or word.end > longest[word.start].end:
            longest[word.start] = word
    done = -1
    for start in sorted(longest):
        bare = longest[start].number >= _TOWNS_FROM and start > 0 and "\u3400" <= text[start - 1] <= "\u9fff"
        if start < done or (bare and text[start - 1] not in _STOP):  # 丰镇 (for 丰镇市) in 新丰镇
            continue
        level, at = 0, start
        ends: list[tuple[int, int]] = []
        while at in longest:
            number = longest[at].number
            level = max(level, 0 if number < _CITIES_FROM else 1 if number < _COUNTIES_FROM else 2)
            at = longest[at].end
            ends.append((at, level))
            at += text[at : at + 1] == " "
        done = ends[-1][0]
        if len(ends) <= _MAX_PLACES:
            yield start, ends


def _parts(text: str, at: int) -> tuple[int, set[str], str]:
    """Where the parts end that start at ``at``, their kinds, and the last road or estate."""
    kinds: set[str] = set()
    name = ""
    for _ in range(12):
        skip = at + (
            text[at : at + 1] == " " and (bool(kinds) or text[at + 1 : at + 2] >= "\u3400")
        )  # 朝阳区 15 号停电
        match = _PART.match(text, skip)
        if match is None or match.lastgroup is None:
            break
        if match.lastgroup in _NAMED and (kinds & {"room"} or _NO_ROAD.search(match.group())):
            break
        kinds.add(match.lastgroup)
        if match.lastgroup != "admin" and match.lastgroup in _NAMED:
            name = match.group()
        at = match.end()
    return at, kinds, name


def _label_before(page: Page, start: int) -> bool:
    """Whether a label like 住址： ends right before this place."""
    return any(
        word.end <= start and _LABELLED.fullmatch(page.text, word.end, start)
        for word in page.around("address_label", start, start, before=12, after=0)
    )


def _chinese(page: Page) -> Iterator[Found]:
    text, done = page.text, 0
    spans: list[tuple[int, int]] = []
    for start, ends in _chains(text, page.words.get("place", [])):
        if start < done:
            continue
        for end, level in ends[:-3:-1]:  # the last place may be the name of a road: 上海市南京路
            stop, kinds, name = _parts(text, end)
            district = level == 2 or "admin" in kinds
            if kinds & _FINE and kinds & (_NAMED | {"number"}) and (name or district):
                score = 0.95
            elif district and (_SETTLED.fullmatch(name) or (end - start > 3 and _label_before(page, start))):
                score = 0.6
            else:
                done = max(done, stop - _PASSED)  # else every district of a long row of roads is read to its end
                continue
            done = stop
            spans.append((start, stop))
            yield Found(start, stop, "ADDRESS", score)
            break
    starts = [start for start, _ in spans]
    done = 0
    for seed in _SEED.finditer(text):
        if seed.start() < done or text[seed.start() - 1 : seed.start()] not in _COUNTED:
            continue
        number = _NUMERAL.search(text, max(done, seed.start() - 12), seed.start())
        done = seed.end() + 3  # after a failure the next ones are passed over: time on 1号1号1号
        if number is None:
            continue
        at = number.start()
        if seed.group() == "组" and text[at - 1 : at] not in _HAMLETS:
            continue
        k = bisect_left(starts, at + 1) - 1
        if k >= 0 and at < spans[k][1]:
            continue
        start = _name_before(text, at)
        for label in page.around("address_label", at, at, before=8, after=0):
            start = max(start, label.end)
        if start == at:
            continue
        stop, kinds, name = _parts(text, start)
        road = re.search(f"{_ROAD}$", name) is not None
        if stop <= at or _NO_ROAD.search(name):
            continue
        if (road and kinds & {"number", "building"}) or (name and len(kinds & _FINE) >= 2):
            done = stop
            yield Found(start, stop, "ADDRESS", 0.92)


def _name_before(text: str, end: int) -> int:
    """Where the name of a road or estate that ends here starts: at most eight characters back."""
    start = end
    if start > 0 and text[start - 1] == " ":
        start -= 1
    limit = start - (6 if re.match(_ROAD, text[start - 1 : start]) else 9)
    while start > max(0, limit) and text[start - 1] not in _STOP and _IN_NAME.match(text, start - 1):
        start -= 1
    return start + len(text[start:end]) - len(text[start:end].lstrip("0123456789"))


def _english(page: Page) -> Iterator[Found]:
    text = page.text
    boxes = (_BOX_NUMBER.match(text, word.end) for word in page.words.get("post_box", ()))
    places = [
        (word.start, match.end()) for word, match in zip(page.words.get("post_box", ()), boxes, strict=True) if match
    ]
    for start, end in places + [match.span() for match in _STREETS.finditer(text)]:
        if _JOINED.match(text, start - 1) and start > 0:
            continue
        before = _BEFORE.search(text, max(0, start - 60), start)
        rest = _REST.match(text, end)
        stop = rest.end() if rest else end
        yield Found(before.start() if before else start, stop, "ADDRESS", 0.95 if stop > end else 0.92)


def find(page: Page) -> Iterator[Found]:
    yield from _chinese(page)
    yield from _english(page)
