"""Postal addresses: their bounds, and places that are none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard import Scanner, addresses
from fathom.guard.page import Lexicon, Page, Shadow

LEXICON = Lexicon(addresses.WORDS)


def found(text: str) -> list[str]:
    page = Page(Shadow(text), LEXICON)
    return [page.text[f.start : f.end] for f in addresses.find(page)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("收货地址：浙江省杭州市西湖区文三路100号3幢2单元501室，电话", "浙江省杭州市西湖区文三路100号3幢2单元501室"),
        ("王芳朝阳区建国路88号3单元502 13800138000", "朝阳区建国路88号3单元502"),
        ("我家住建国门外大街甲6号", "建国门外大街甲6号"),
        ("位于广东省深圳市南山区科技园南区深南大道9988号", "广东省深圳市南山区科技园南区深南大道9988号"),
        ("江苏省苏州市吴江区盛泰镇红旗村12组8号", "江苏省苏州市吴江区盛泰镇红旗村12组8号"),
        ("北京市海淀区中关村大街27号中关村大厦10层。", "北京市海淀区中关村大街27号中关村大厦10层"),
        ("翠湖小区12号楼3单元1801", "翠湖小区12号楼3单元1801"),
        ("住址：河北省石家庄市长安区", "河北省石家庄市长安区"),
        ("乌鲁木齐市天山区新华北路165号", "乌鲁木齐市天山区新华北路165号"),
        ("My address is 12 Baker Street, London NW1 6XE.", "12 Baker Street, London NW1 6XE"),
        ("Ship to 455 Madison Ave, Apt 3B, New York, NY 10022", "455 Madison Ave, Apt 3B, New York, NY 10022"),
        ("PO Box 123, Houston, TX 77001", "PO Box 123, Houston, TX 77001"),
        (
            "Room 502, Building 3, No. 88 Jianguo Road, Chaoyang District, Beijing 100022",
            "Room 502, Building 3, No. 88 Jianguo Road, Chaoyang District, Beijing 100022",
        ),
    ],
)
def test_addresses_are_found_whole(text: str, address: str) -> None:
    assert found(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "我在北京工作，去过上海市和浙江省杭州市",
        "这是一条道路，走一路看一路，第3号",
        "2号线到人民路站，10月3号",
        "订单号3号机，5号电池，7号楼",
        "沿国道16号向北走",
        "《广东省城镇房屋租赁条例》",
        "I ran 5 miles on Monday and 3 Way handshake with 20 Green apples",
    ],
)
def test_towns_roads_and_numbers_are_no_addresses(text: str) -> None:
    assert found(text) == []


@given(st.text(alphabet=st.sampled_from("北京市朝阳区建国路街12号-栋室 住A.,Stree\n\ud800"), max_size=60))
def test_any_text_gives_spans_inside_it(text: str) -> None:
    page = Page(Shadow(text), LEXICON)
    for hit in addresses.find(page):
        assert 0 <= hit.start < hit.end <= len(page.text)


@pytest.mark.parametrize(
    "unit", ["1号", "路1号", "北京市", "朝阳区建国路", "一", "12 ", "1 A ", "1 Main St, ", "栋", "po box 1"]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (40_000 // len(unit))
    started = time.process_time()
    for at in range(0, len(text), 20_000):
        found(text[at : at + 20_000])
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize(
    "address",
    [
        "北京市 朝阳区 建国路 88号 3单元 502室",
        "浙江省 杭州市 西湖区 文三路 90 号 东部软件园",
        "上海市 浦东新区 张江镇 碧波路 690 号",
        "湖北省武汉市洪山区 珞喻路 1037 号",
        "广州市天河区体育西路 103 号 维多利广场 A 座 18 楼",
    ],
)
def test_addresses_with_spaces_between_their_parts_are_whole(address) -> None:
    text = f"寄到{address}，谢谢"
    assert [text[span.start : span.end] for span in Scanner().find(text) if span.type == "ADDRESS"] == [address]


@pytest.mark.parametrize(
    "text", ["朝阳区 15 号停电", "武汉 15 号下雨", "北京 5 区的人", "海淀区 3 组数据", "上海 3 号线"]
)
def test_numbers_behind_a_place_and_a_space_are_no_addresses(text) -> None:
    assert Scanner().find(text) == []
