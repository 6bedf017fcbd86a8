from __future__ import annotations

import pytest

from fathom.guard.scan import Scanner

SCANNER = Scanner({"EMAIL", "URL", "IP", "MAC"})


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.type) for s in SCANNER.find(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("邮箱zhang.san@example.com请查收", "zhang.san@example.com"),
        ("邮箱ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ请查收", "ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("zh\u200bang@exam\u2060ple.com", "zh\u200bang@exam\u2060ple.com"),
        ("(o'neil+news@mail.example.co.uk)", "o'neil+news@mail.example.co.uk"),
        ("müller@bücher.de", "müller@bücher.de"),
        ("用户@例子.中国。", "用户@例子.中国"),
        ("zhang@例子.公司在吗", "zhang@例子.公司"),
        ("zhang @ example.com", "zhang @ example.com"),
        ("zhang@example。com，", "zhang@example。com"),
        ("zhang(at)example.com", "zhang(at)example.com"),
        ("zhang [at] example [dot] com", "zhang [at] example [dot] com"),
        ("zhang dot san at example dot com please", "zhang dot san at example dot com"),
        ("zhangsan艾特qq点com", "zhangsan艾特qq点com"),
        ("a@b.cn。下一句", "a@b.cn"),
        ("见zhang@example.com.", "zhang@example.com"),
        ("mailto:zhang@example.com?subject=x", "zhang@example.com"),
    ],
)
def test_email(text, value) -> None:
    assert found(text) == [(value, "EMAIL")]


@pytest.mark.parametrize(
    "text",
    [
        "meet me at example.com",
        "we look at the dot in the middle",
        "logo@2x.png",
        "git@github.com:deepseek-ai/x.git",
        "npm i @scope/pkg@1.2.3",
        "@property",
        "@@@@",
        "a@b",
        "a@b.c",
        "a@-b-.com-",
        "张三 @ 公司",
    ],
)
def test_no_email(text) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@host.example/a",
        "postgres://app:s3cret@db:5432/x",
        "https://a.example/?token=abcdef123&x=1",
        "https://a.example/cb#access_token=abcdef",
        "https://a.example/u?x=1&email=zhang%40b.cn",
        "https://a.example/u?phone=13800138000",
        "https://a.example/o?sign=9f8e7d6c",
    ],
)
def test_web_addresses_that_carry_something(url) -> None:
    assert found(f"打开{url}。") == [(url, "URL")]
    assert found(f"see ({url}), please") == [(url, "URL")]


@pytest.mark.parametrize(
    "url", ["https://a.example/plain", "https://a.example/?page=2&q=token", "://", "x://", "http://?token="]
)
def test_web_addresses_that_do_not(url) -> None:
    assert found(f"打开{url}。") == []


@pytest.mark.parametrize(
    ("text", "value", "type"),
    [
        ("服务器192.168.1.10宕机", "192.168.1.10", "IP"),
        ("来源IP192.0.2.143，", "192.0.2.143", "IP"),
        ("DNS 8.8.8.8", "8.8.8.8", "IP"),
        ("10.0.0.1:3389", "10.0.0.1", "IP"),
        ("ping 2001:db8:85a3::8a2e:370:7334.", "2001:db8:85a3::8a2e:370:7334", "IP"),
        ("地址fe80::1ff:fe23:4567:890a%eth0", "fe80::1ff:fe23:4567:890a%eth0", "IP"),
        ("2001:0db8:0000:0000:0000:ff00:0042:8329", "2001:0db8:0000:0000:0000:ff00:0042:8329", "IP"),
        ("::ffff:192.0.2.128", "::ffff:192.0.2.128", "IP"),
        ("网卡00:1A:2B:3C:4D:5E启动", "00:1A:2B:3C:4D:5E", "MAC"),
        ("00-1a-2b-3c-4d-5e", "00-1a-2b-3c-4d-5e", "MAC"),
        ("MAC 001a.2b3c.4d5e", "001a.2b3c.4d5e", "MAC"),
        ("ｄａ－４１－８４－１ｄ－３７－２９", "ｄａ－４１－８４－１ｄ－３７－２９", "MAC"),
    ],
)
def test_addresses_of_machines(text, value, type) -> None:
    assert found(text) == [(value, type)]


@pytest.mark.parametrize(
    "text",
    [
        "版本1.2.3.4",
        "v10.20.30.40",
        "第2.57.1.1条",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.1",
        "掩码255.255.255.0",
        "12:30:45",
        "a::b",
        "std::vector",
        "::",
        "1:2:3",
        "00:1A:2B:3C:4D:5E:6F",
        "dead.beef.cafe",
    ],
)
def test_no_addresses_of_machines(text) -> None:
    assert found(text) == []
