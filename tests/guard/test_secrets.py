from __future__ import annotations

import base64
import hashlib

import pytest

from fathom.guard.scan import Scanner

SCANNER = Scanner({"SECRET", "CRYPTO"})


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.type) for s in SCANNER.find(text)]


def _pem() -> str:
    body = base64.encodebytes(hashlib.shake_256(b"x").digest(600)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----"


KEYS = [
    "AKIAIOSFODNN7EXAMPLE",
    "LTAI5tAbCdEfGhIjKlMnOpQr",
    "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
    "ghp_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "glpat-aBcD1234eFgH5678iJkL",
    "xoxb-123456789012-abcdefGHIJKL",
    "sk-proj-aBcD1234eFgH5678iJkL",
    "sk-ant-api03-aBcD1234eFgH5678iJkL",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "sk_live_aBcD1234eFgH5678",
    "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZabcdefgh",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc123_-DEF456",
    _pem(),
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_that_are_told_by_how_they_begin(key) -> None:
    assert found(f"泄露了{key}，请更换") == [(key, "SECRET")]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=Hunter2!x", "Hunter2!x"),
        ('"db_password": "s3cr3t, with spaces"', "s3cr3t, with spaces"),
        ("dbPassword: 's3cr3tpw'", "s3cr3tpw"),
        ("密码：abc123456，", "abc123456"),
        ("密码是Qwer1234。", "Qwer1234"),
        ("登录口令Abc@12345请改", "Abc@12345"),
        ("密码已重置为 Tk9#pQ2z", "Tk9#pQ2z"),
        ("The password for the router is Blue-Horse7", "Blue-Horse7"),
        ("AppSecret 9f8e7d6c5b4a39281706f5e4d3c2b1a0 已泄露", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
        ("验证码：482913", "482913"),
        ("Authorization: Bearer abcdef1234567890abcdef", "abcdef1234567890abcdef"),
        ("curl -u admin:ZMQk7k!OMy6 https://x", "ZMQk7k!OMy6"),
        ("export API_KEY=aB3dE5fG7h", "aB3dE5fG7h"),
    ],
)
def test_secrets_behind_a_label(text, secret) -> None:
    assert found(text) == [(secret, "SECRET")]


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "password = getpass.getpass()",
        "token = tokenizer.encode(x)",
        "token: str = ''",
        "密码：******",
        "password=<your password>",
        "password=${DB_PASSWORD}",
        "密码不能为空",
        "密钥长度设置为 2048",
        "密码为 azure.json 文件中的",
        "the secret is out",
        "a token of my thanks",
        "忘记密码？点击这里",
        "sk-",
        "sk-learn-is-a-library",
        "eyJ",
        "-----BEGIN PUBLIC KEY-----",
        "Bearer token",
        "passwordless login = easy",
    ],
)
def test_no_secrets(text) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "address",
    [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",  # BIP 173
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",  # BIP 350
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",  # EIP 55
        "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359",
    ],
)
def test_addresses_of_coins(address) -> None:
    assert found(f"转到{address}。") == [(address, "CRYPTO")]
    flipped = address[:-2] + ("x" if address[-2] != "x" else "y") + address[-1]
    assert found(f"转到{flipped}。") == []


def test_an_ethereum_address_in_the_wrong_case_needs_a_label() -> None:
    wrong = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"
    assert found(f"id {wrong}") == []
    assert found(f"ETH wallet {wrong}") == [(wrong, "CRYPTO")]
