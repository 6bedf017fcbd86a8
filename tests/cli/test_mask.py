"""fathom mask: files without what is personal in them, and the way back byte for byte."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fathom.cli.mask_files as files
import fathom.cli.mask_source as sources
from fathom.cli.mask_records import Csv, Jsonl
from fathom.guard import Masker, Vault
from fathom.guard.keyfile import vault_key

TEXT = "电话13812345678，\r\n邮箱 zhang@example.org。卡号 4111 1111 1111 1111\n再打13812345678 ⟦PHONE_1⟧"
MASKED = "电话⟦PHONE_1⟧，\r\n邮箱 ⟦EMAIL_1⟧。卡号 ⟦BANK_CARD_1⟧\n再打⟦PHONE_1⟧ ⟦LITERAL_1⟧PHONE_1⟧"
COMMAND = [sys.executable, "-m", "fathom.cli", "mask"]


@pytest.fixture(autouse=True)
def own_key(monkeypatch, tmp_path):
    monkeypatch.delenv("FATHOM_VAULT_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "input"

    def write(data: str | bytes):
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture
def round_trip(fathom, tmp_path):
    """Masks a file with a vault, restores it, and gives the masked bytes."""

    def run(path, *options: str, operator: str = "placeholder") -> bytes:
        masked, vault, again = tmp_path / "masked", tmp_path / "vault", tmp_path / "again"
        vault.unlink(missing_ok=True)
        done = fathom("mask", path, *options, "--operator", operator, "--vault", vault, "-o", masked)
        assert (done.code, done.out) == (0, ""), done.err
        assert fathom("mask", masked, *options, "--restore", "--vault", vault, "-o", again).code == 0
        assert again.read_bytes() == path.read_bytes()
        return masked.read_bytes()

    return run


# text


def test_masked_text_goes_to_standard_output_and_the_summary_elsewhere(fathom, file):
    done = fathom("mask", file(TEXT))
    assert (done.code, done.out) == (0, MASKED)
    assert "2 PHONE" in done.err
    assert "lines 1, 3" in done.err
    assert "no guarantee" in done.err
    assert "can't be undone" in done.err
    assert "13812345678" not in done.err


def test_standard_input_is_a_dash(fathom):
    assert fathom("mask", "-", stdin=TEXT.encode()).out == MASKED


@pytest.mark.parametrize("operator", ["placeholder", "surrogate"])
@pytest.mark.parametrize("data", [TEXT, "", "\ufeffa@b.cn\r", "\n\n", "⟦", "x" * 100_000 + " 13812345678"])
def test_a_text_comes_back_byte_for_byte(file, round_trip, data, operator):
    masked = round_trip(file(data), operator=operator)
    assert b"13812345678" not in masked


def test_operators_types_patterns_and_lists_of_the_user(fathom, file, tmp_path):
    (tmp_path / "words").write_text("深蓝计划\n老王\tPERSON\n", "utf-8")
    (tmp_path / "allow").write_text("13812345678\n", "utf-8")
    path = file("深蓝计划的老王 ORD-77 13812345678 13912345678 a@b.cn")
    options = ["--dictionary", tmp_path / "words", "--allow", tmp_path / "allow", "--pattern", "CUSTOM=ORD-[0-9]+"]
    done = fathom("mask", path, *options, "--operator", "redact", "--operator", "PHONE=partial", "--types", "PHONE")
    assert done.out == "[CUSTOM]的[PERSON] [CUSTOM] 13812345678 139****5678 a@b.cn"


def test_the_threshold_says_how_sure_a_finding_must_be(fathom, file):
    path = file("电话13812345678，编号 021-55512345")
    assert fathom("mask", path, "--threshold", "0.9").out == "电话⟦PHONE_1⟧，编号 021-55512345"
    assert fathom("mask", path, "--threshold", "0.2").out == "电话⟦PHONE_1⟧，编号 ⟦PHONE_2⟧"


def test_strict_masks_typos_too(fathom, file):
    path = file("身份证号110105194912310021")
    assert fathom("mask", path).out == "身份证号110105194912310021"
    assert fathom("mask", path, "--strict").out == "身份证号⟦CN_ID_1⟧"


def test_hashes_are_the_same_under_the_same_key_and_no_other(fathom, file, monkeypatch):
    def once() -> str:
        return fathom("mask", file("a@b.cn"), "--operator", "hash").out

    first, second = once(), once()
    monkeypatch.setenv("FATHOM_VAULT_KEY", "0f" * 32)
    assert first == second != once()


def test_the_report_for_programs(fathom, file, tmp_path):
    done = fathom("mask", file(TEXT), "--json")
    assert done.out == MASKED
    report = json.loads(done.err)
    assert report["entities"] == 4
    assert report["types"]["PHONE"] == {"count": 2, "lines": [1, 3]}
    assert report["bytes"] == len(TEXT.encode())
    written = fathom("mask", file(TEXT), "--json", "-o", tmp_path / "out")
    assert json.loads(written.out)["output"] == str(tmp_path / "out")


def test_a_vault_goes_on_from_file_to_file(fathom, file, tmp_path):
    vault = tmp_path / "vault"
    assert fathom("mask", file("13812345678"), "--vault", vault).out == "⟦PHONE_1⟧"
    assert fathom("mask", file("13912345678 13812345678"), "--vault", vault).out == "⟦PHONE_2⟧ ⟦PHONE_1⟧"
    assert fathom("mask", file("⟦PHONE_1⟧"), "--vault", vault, "--restore").out == "13812345678"


def test_a_vault_keeps_its_expiry_when_it_goes_on(fathom, file, tmp_path):
    vault = tmp_path / "vault"
    fathom("mask", file("13812345678"), "--vault", vault, "--expires", "1")
    fathom("mask", file("13912345678"), "--vault", vault)
    assert Vault.load(vault, vault_key()[0]).expires is not None


def test_a_vault_that_another_run_goes_on_with_is_refused(fathom, file, tmp_path):
    """Else one of the two would lose its pairs."""
    path, vault = file((TEXT + "\n") * 20_000), tmp_path / "vault"
    other = subprocess.Popen([*COMMAND, path, "--vault", vault, "-o", tmp_path / "a"], stderr=subprocess.DEVNULL)
    while not (tmp_path / ".vault.partial").exists():
        time.sleep(0.01)
    done = fathom("mask", path, "--vault", vault, "-o", tmp_path / "b")
    other.kill()
    other.wait(10)
    assert (done.code, "another process" in done.err) == (1, True)
    assert not (tmp_path / "b").exists()


def test_vault_and_restored_text_are_the_owners_alone(fathom, file, round_trip, tmp_path):
    round_trip(file(TEXT))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("vault", "again", "masked")] == [
        0o600,
        0o600,
        0o644,
    ]


def test_what_a_model_changed_of_a_placeholder_is_put_back_and_what_nobody_knows_is_said(fathom, file, tmp_path):
    vault = tmp_path / "vault"
    assert "⟦PHONE_1⟧" in fathom("mask", file("[Person 7]的电话13812345678"), "--vault", vault).out
    done = fathom("mask", file("[Phone 1] <phone_1> 【PERSON_7】 ⟦PHONE_2⟧"), "--vault", vault, "--restore")
    assert done.out == "13812345678 13812345678 【PERSON_7】 ⟦PHONE_2⟧"
    assert "1 placeholders are not in this vault" in done.err
    assert "⟦PHONE_2⟧" in done.err


# JSONL


def test_each_line_has_its_entities_in_code_points_of_the_original(fathom, file):
    path = file('{"id": 1.50, "text": "𠮷 13812345678", "x": [1]}\n{"text": ""}\n')
    lines = fathom("mask", path, "--jsonl").out.splitlines()
    assert lines[0].startswith('{"id": 1.50, "text": "𠮷 ⟦PHONE_1⟧", "x": [1], "entities": [{"type": "PHONE", ')
    [entity] = json.loads(lines[0])["entities"]
    assert (entity["start"], entity["end"]) == (2, 13)
    assert json.loads(lines[1]) == {"text": "", "entities": []}


JSONL = [
    '{"text": "电话13812345678"}\n',
    '{"text":"\\u7535\\u8bdd13812345678 \\ud800"}\r\n',
    "\n",
    '  {  "text" : "13812345678\\/" ,"entities":3}  \n',
    '{"text":"\\u7535话13812345678"}\n',
    '{"n":1e400,"text":"\\ud83d\\ude00 ⟦PHONE_1⟧ \\u27e6","text2":{"text":"x"}}',
]


@pytest.mark.parametrize("operator", ["placeholder", "surrogate"])
def test_jsonl_comes_back_byte_for_byte(file, round_trip, operator):
    masked = round_trip(file("".join(JSONL)), "--jsonl", operator=operator).decode()
    assert "13812345678" not in masked
    assert [json.loads(line)["text"] for line in masked.splitlines() if line]


MASKER = Masker()
CELLS = st.lists(st.sampled_from([*",;\"\n⟦⟧1 'é", "a@b.cn", "\r\n"])).map("".join)


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS)),
    st.sampled_from(",;\t|"),
    st.integers(0, 3),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_csv_comes_back(rows, delimiter, quoting, ending):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=min(quoting, 2), lineterminator=ending).writerows(
        [("a", "b", "c"), *rows]
    )
    assert back(out.getvalue(), lambda: Csv("c,a", ())) == out.getvalue()


PIECES = [*'⟦⟧1"\\/\n电\ud800😀', "13812345678 "]


def back(written: str, form) -> str:
    """Masked with a vault and restored, without a file."""
    masked, again, vault = io.StringIO(newline=""), io.StringIO(newline=""), Vault()
    source = sources.Source(io.BytesIO(written.encode()), "a")
    files.mask_records(source, form(), MASKER, vault, masked.write, files.Tally(), keep=True)
    files.restore(sources.Source(io.BytesIO(masked.getvalue().encode()), "b"), form(), vault, again.write)
    return again.getvalue()


@given(st.lists(st.tuples(st.lists(st.sampled_from(PIECES)).map("".join), st.booleans(), st.booleans())))
def test_any_jsonl_comes_back(lines):
    written = "\n".join(
        json.dumps({"text": text}, ensure_ascii=escaped or "\ud800" in text, separators=(",", ":") if dense else None)
        for text, escaped, dense in lines
    )
    assert back(written, lambda: Jsonl(None, ())) == written


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.sampled_from(PIECES)).map("".join),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["a", "text", "entities", "电话", "a.b", '"']), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from(["a", "text", "entities", "电话", ""]), VALUES), st.booleans())),
    st.sampled_from([None, "a=CUSTOM", "text,a.a.b"]),
)
def test_any_objects_come_back(records, fields):
    written = "\n".join(json.dumps(record, separators=(",", ":") if dense else None) for record, dense in records)
    ended = written + '\n{"a": [{"a": {"b": ""}}], "text": ""}'  # every field once
    assert back(ended, lambda: Jsonl(fields, {"CUSTOM"})) == ended


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "no JSON"),
        ("[1]", "not an object"),
        ('{"text": "a", "text": "b"}', "twice"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, ""),
    ],
)
def test_a_bad_line_is_named_and_what_stands_before_it_is_said(fathom, file, line, problem):
    done = fathom("mask", file('{"text": "a@b.cn"}\n' + line + '\n{"text": "b"}\n'), "--jsonl")
    assert done.code == 1
    assert "line 2" in done.err
    assert problem in done.err
    assert done.out.count("\n") == 1
    assert "⟦EMAIL_1⟧" in done.out


def test_all_texts_of_a_record_are_masked_and_no_key(fathom, file):
    line = '{"手机13812345678": {"phones": ["13812345678", 13912345678, 7, null]}, "text": "a@b.cn", "x": "a@b.cn"}\n'
    done = fathom("mask", file(line), "--jsonl").out
    record = json.loads(done)
    assert record["手机13812345678"] == {"phones": ["⟦PHONE_1⟧", "⟦PHONE_2⟧", 7, None]}
    assert (record["text"], record["x"]) == ("⟦EMAIL_1⟧", "⟦EMAIL_1⟧")
    assert [entity.get("field") for entity in record["entities"]] == [
        "手机13812345678.phones[0]",
        "手机13812345678.phones[1]",
        None,
        "x",
    ]


def test_a_key_says_what_its_value_is(fathom, file):
    line = '{"name": "欧阳娜娜", "passport": "E12345678", "product": "E12345678X"}\n'
    assert json.loads(fathom("mask", file(line), "--jsonl").out)["passport"] == "⟦PASSPORT_1⟧"


def test_fields_are_chosen_by_their_path(fathom, file, round_trip):
    inner = '"b": {"c": [{"d": "e@f.cn"}], "e": "g@h.cn"}'
    path = file(f'{{"a": "a@b.cn", {inner}, "c": "i@j.cn", "n": "阿黛", "entities.x": "k@l.cn"}}\n')
    masked = json.loads(fathom("mask", path, "--jsonl", "--fields", "b.c,c,n=PERSON,entities.x").out)
    assert masked["a"] == "a@b.cn"
    assert masked["b"] == {"c": [{"d": "⟦EMAIL_1⟧"}], "e": "g@h.cn"}
    assert (masked["c"], masked["n"], masked["entities.x"]) == ("⟦EMAIL_2⟧", "⟦PERSON_1⟧", "⟦EMAIL_3⟧")
    assert round_trip(path, "--jsonl", "--fields", "b.c,n=PERSON")


@pytest.mark.parametrize("data", ['{"phone": 13812345678}\n', '{"phone": 13812345678.0, "n": -1.5e-7, "m": NaN}\n'])
def test_a_personal_number_becomes_a_string_and_comes_back_as_a_number(round_trip, file, data):
    assert b'"phone": "' in round_trip(file(data), "--jsonl")


def test_a_field_that_no_record_has_is_an_error(fathom, file, tmp_path):
    done = fathom("mask", file('{"text": "a@b.cn"}\n'), "--jsonl", "--fields", "txt", "-o", tmp_path / "out")
    assert (done.code, "no record had a field 'txt'" in done.err) == (1, True)
    assert not (tmp_path / "out").exists()
    assert fathom("mask", file(""), "--jsonl", "--fields", "txt").code == 0
    assert fathom("mask", file('{"txt": null}\n'), "--jsonl", "--fields", "txt=PERSON").out.startswith('{"txt": null')


def test_deep_and_wide_records_take_linear_time():
    deep = '{"a":' + '["x",' * 400 + "1" + "]" * 400 + "}\n"
    wide = '{"a":' + "[" * 400 + '"x",' * 8_000 + "1" + "]" * 400 + "}\n"
    began = time.process_time()
    for line in (deep, wide):
        assert back(line, lambda: Jsonl(None, ())) == line
    assert time.process_time() - began < 2


# CSV


def test_columns_keep_dialect_header_and_quotes(fathom, file):
    path = file('\ufeff"id";name;"note"\r\n1;x;"电话13812345678; 好"\r\n"2";"y";"a ""q"" b@c.cn"\r\n')
    assert fathom("mask", path, "--csv", "note").out == (
        '\ufeff"id";name;"note"\r\n1;x;"电话⟦PHONE_1⟧; 好"\r\n"2";"y";"a ""q"" ⟦EMAIL_1⟧"\r\n'
    )


def test_columns_have_names_or_numbers(fathom, file):
    rows = "a@b.cn,c@d.cn,e@f.cn\n"
    assert fathom("mask", file(rows), "--csv", "1,3").out == "⟦EMAIL_1⟧,c@d.cn,⟦EMAIL_2⟧\n"
    assert fathom("mask", file("x,2,1\n" + rows), "--csv", "1").out == "x,2,1\na@b.cn,c@d.cn,⟦EMAIL_1⟧\n"


def test_all_columns_are_masked_with_one_word(fathom, file):
    rows = "a@b.cn,c@d.cn\n张,c@d.cn\n"
    assert fathom("mask", file(rows), "--csv", "all").out == "⟦EMAIL_1⟧,⟦EMAIL_2⟧\n张,⟦EMAIL_2⟧\n"
    assert fathom("mask", file(rows), "--csv", "2,all").out == "⟦EMAIL_2⟧,⟦EMAIL_1⟧\n张,⟦EMAIL_1⟧\n"
    assert fathom("mask", file("x,all\n" + rows), "--csv", "all").out == "x,all\na@b.cn,⟦EMAIL_1⟧\n张,⟦EMAIL_1⟧\n"


@pytest.mark.parametrize("columns", ["2,card", "phone,card=BANK_CARD"])
def test_numbers_that_a_program_wrote_as_floats_are_looked_at(file, round_trip, columns):
    rows = "id,phone,card\n1,13812345678.0,4111111111111111.0\n2,7.0,\n13812345678,13812345678,1700000000.0\n"
    masked = round_trip(file(rows.rpartition("\n1")[0]), "--csv", columns).decode()
    assert masked == "id,phone,card\n1,⟦PHONE_1⟧.0,⟦BANK_CARD_1⟧.0\n2,7.0,"
    assert "⟦PHONE_1⟧,1700000000.0" in round_trip(file(rows), "--csv", "phone,card").decode()


def test_the_name_of_a_column_says_what_stands_in_it(fathom, file):
    assert "⟦PASSPORT_1⟧" in fathom("mask", file("护照号,x\nE1234567,a\n"), "--csv", "护照号").out


def test_a_column_of_a_type_is_masked_whole_and_its_values_wherever_they_stand(fathom, file):
    path = file("姓名,留言\n阿黛, 阿黛又来过了\n,没有名字\n欧,好\n")
    assert fathom("mask", path, "--csv", "姓名=PERSON,留言").out == (
        "姓名,留言\n⟦PERSON_1⟧, ⟦PERSON_1⟧又来过了\n,没有名字\n⟦PERSON_2⟧,好\n"
    )


ROWS = [
    "id,name\n",
    "id\tname\r\n1\ta@b.cn\r\n",
    'id,name\n1,"a@b.cn\n13812345678"\n\n"2",\'x\'\n',
    '"id","name"\n"1","a@b.cn"\n',
    'id,name\n1,  "a@b.cn"  \n"1",a@b.cn\n 2 , "" \n',
    'id|name\n"1"|"⟦EMAIL_1⟧ a@b.cn|"\n1|a"b\n',
]


@pytest.mark.parametrize("operator", ["placeholder", "surrogate"])
@pytest.mark.parametrize("data", ROWS[1:])
def test_csv_comes_back_byte_for_byte(file, round_trip, data, operator):
    assert b"a@b.cn" not in round_trip(file(data), "--csv", "name", operator=operator)


@pytest.mark.parametrize(
    ("data", "columns", "problem"),
    [
        ("a,b\n1,2\n", "c", "no column 'c'"),
        ("a,b\n1,2\n", "3", "no column '3'"),
        ("a,b\n1,2,3\n", "a", "line 2: 3 fields, expected 2"),
        ('a,b\n1,"2\n3,4\n', "a", "line 2: no CSV: unexpected end"),
        ('a,b\n1,2\n"x"y,4\n', "a", "line 3: no CSV"),
    ],
)
def test_broken_csv_is_named(fathom, file, data, columns, problem):
    done = fathom("mask", file(data), "--csv", columns)
    assert done.code == 1
    assert problem in done.err


# encodings

ENCODED = pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("gb18030", ["--encoding", "GBK"]),
        ("utf-16", []),  # with a byte order mark
        ("utf-16", ["--encoding", "utf-16"]),
        ("utf-16-le", ["--encoding", "utf-16"]),
        ("utf-16-be", ["--encoding", "UTF_16_BE"]),
        ("utf-8-sig", []),
        ("utf-32", []),
    ],
)


@ENCODED
def test_a_text_in_another_encoding_is_masked_and_comes_back_in_it(file, round_trip, encoding, options):
    masked = round_trip(file((TEXT * 3).encode(encoding)), *options)
    assert masked.decode(encoding) == MASKED + MASKED.replace("_1⟧PHONE_1⟧", "_1⟧PHONE_1⟧") * 2
    assert masked[:2] == (TEXT * 3).encode(encoding)[:2]


@ENCODED
@pytest.mark.parametrize("form", [["--csv", "b"], ["--jsonl"]])
def test_records_in_another_encoding_come_back_in_it(file, round_trip, encoding, options, form):
    rows = 'a,b\r\n1,"电话13812345678\n"\r\n' if form[0] == "--csv" else '{"text": "电话13812345678"}\r\n' * 2
    assert "电话⟦PHONE_1⟧" in round_trip(file(rows.encode(encoding)), *form, *options).decode(encoding)


@pytest.mark.parametrize(
    ("data", "likely"),
    [
        (TEXT.encode("gb18030"), "gb18030"),
        (b"name,phone\n" * 9000 + "张伟".encode("gbk"), "gb18030"),  # only what is no ASCII tells
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        ("Phone 13812345678\n".encode("utf-16-le"), "utf-16-le"),  # which is UTF-8, too
        (TEXT.encode()[:50] + b"\xff" + TEXT.encode()[50:], None),  # damaged UTF-8
        ("Müller, Zoë, Jürgen".encode("latin-1"), None),
        (b"\xff", None),
    ],
)
def test_what_is_no_utf8_is_refused_with_its_likely_encoding(fathom, file, data, likely):
    done = fathom("mask", file(data))
    assert done.code == 1
    assert ("--encoding " + (likely or "names another")) in done.err


def test_text_that_is_not_in_the_encoding_it_was_said_to_be_in_names_its_byte(fathom, file):
    assert "not valid GB18030 (byte 4)" in fathom("mask", file("张伟".encode("gbk") + b"\xff"), "--encoding", "gbk").err


# bad input


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (["--types", "NAME"], 2, "type 'NAME' is unknown"),
        (["--operator", "hide"], 2, "operator 'hide' is unknown"),
        (["--operator", "NAME=redact"], 2, "type 'NAME' is unknown"),
        (["--pattern", "ORD"], 2, "TYPE=REGEX"),
        (["--pattern", "CUSTOM=("], 2, "missing"),
        (["--restore"], 2, "--vault"),
        (["--expires", "3"], 2, "--vault"),
        (["--jsonl", "--csv", "1"], 2, "--jsonl"),
        (["--fields", "a"], 2, "--jsonl"),
        (["--expires", "0", "--vault", "v"], 2, "0 days"),
        (["--expires", "-1", "--vault", "v"], 2, "-1 days"),
        (["--expires", "nan", "--vault", "v"], 2, "nan days"),
        (["--expires", "1e300", "--vault", "v"], 2, "at most 36500"),
        (["--threshold", "1.5"], 2, "threshold: 1.5"),
        (["--threshold", "nan"], 2, "threshold: nan"),
        (["--encoding", "latin-9"], 2, "choose one of utf-8, gb18030"),
        (["--restore", "--vault", "missing"], 1, "No such file"),
        (["--dictionary", "missing"], 1, "No such file"),
        (["-o", "no/such/folder"], 1, "no such folder"),
        (["-o", "."], 1, "it is a folder"),
        (["--vault", "/"], 1, "it is a folder"),
        (["--operator", "surrogate", "--vault", "v"], 2, "-o FILE"),
    ],
)
def test_wrong_calls_say_what_is_wrong(fathom, file, options, code, problem, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = fathom("mask", file(TEXT), *options)
    assert done.code == code
    assert problem in done.err
    assert done.out == ""


@pytest.mark.parametrize("name", ["missing", "."])
def test_no_file_is_a_clear_error(fathom, tmp_path, name):
    assert fathom("mask", tmp_path / name).code == 1


@pytest.mark.parametrize(("option", "place"), [([], 1048577), (["--jsonl"], 1048577), (["--csv", "1"], 1048577)])
def test_what_is_no_utf8_is_named_by_its_byte(fathom, file, option, place):
    line = '{"text": "%s"}' if option == ["--jsonl"] else "%s"
    before = (line % ("x" * (1048576 - len(line % "")))).encode() + b"\n"
    done = fathom("mask", file(before + b"\xff"), *option)
    assert done.code == 1
    assert f"byte {place}" in done.err


def test_input_output_and_vault_are_three_files(fathom, file):
    path = file(TEXT)
    assert fathom("mask", path, "-o", path).code == 2
    assert path.read_bytes() == TEXT.encode()


def test_a_wrong_key_and_an_expired_vault_are_refused(fathom, file, tmp_path, monkeypatch):
    vault = tmp_path / "vault"
    path = file("13812345678")
    Vault().save(vault, vault_key()[0], expires=datetime.now(UTC) - timedelta(seconds=1))
    assert "expired" in fathom("mask", path, "--vault", vault, "--restore").err
    vault.unlink()
    fathom("mask", path, "--vault", vault)
    monkeypatch.setenv("FATHOM_VAULT_KEY", "00" * 32)
    done = fathom("mask", path, "--vault", vault, "--restore")
    assert (done.code, "not its key" in done.err) == (1, True)


def test_a_huge_line_is_refused_by_its_size(fathom, file, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_LINE", 1000)
    assert "a line of more than" in fathom("mask", file('{"text": "%s"}' % ("x" * 2000)), "--jsonl").err


def test_a_text_that_holds_a_surrogate_of_a_later_one_is_refused(fathom, file, tmp_path):
    """In another window than the value it would stand for: the check at the end sees it, and nothing is written."""
    path = file("13900000001号" + "字" * 300_000 + "。电话13912345678")
    (tmp_path / "allow").write_text("13900000001", "utf-8")
    options = ["--allow", tmp_path / "allow", "--operator", "surrogate", "--vault", tmp_path / "vault"]
    done = fathom("mask", path, *options, "-o", tmp_path / "out")
    assert (done.code, "placeholder" in done.err) == (1, True)
    assert sorted({*os.listdir(tmp_path)} - {"config"}) == ["allow", "input"]


def test_ctrl_c_leaves_nothing_half_written(file, tmp_path):
    path = file(TEXT * 100_000)
    running = subprocess.Popen(
        [*COMMAND, path, "-o", tmp_path / "out", "--vault", tmp_path / "vault"], stderr=subprocess.PIPE
    )
    while not (tmp_path / ".out.partial").exists() or not (tmp_path / ".out.partial").stat().st_size:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    assert sorted({*os.listdir(tmp_path)} - {"config"}) == ["input"]


def test_a_closed_pipe_is_no_error_and_what_was_read_can_be_undone(file, tmp_path, fathom):
    path = file((TEXT + "\n") * 3_000)
    running = subprocess.Popen([*COMMAND, path, "--vault", tmp_path / "vault"], stdout=subprocess.PIPE, stderr=-3)
    assert running.stdout is not None
    got = running.stdout.read(1000)
    running.stdout.close()
    assert running.wait(20) == 0
    back = fathom("mask", "-", "--restore", "--vault", tmp_path / "vault", stdin=got[:900])
    assert back.out.startswith("电话13812345678，")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fathom.cli import run; run(['mask', '--help'])\n"
        "print([name for name in ('numpy', 'fathom.guard', 'cryptography', 'stdnum', 'rich', 're2', 'fastapi') "
        "if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--restore" in done.stdout
    assert done.stderr.strip() == "[]"


def test_memory_stays_bounded(file, tmp_path):
    """A file of 16 MB in far less memory than its size times what Python makes of it."""
    line = "今天天气不错，我们去公园散步，顺便讨论一下项目的进展情况。\n"
    path = file(line * 190_000)
    code = (
        "import sys; from fathom.cli import run; run(sys.argv[1:])\n"
        "print(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "mask", path, "-o", tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 110_000  # KiB
    assert (tmp_path / "out").stat().st_size == path.stat().st_size
