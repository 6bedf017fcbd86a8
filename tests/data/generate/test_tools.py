import json
import random

import pytest

from fathom.data.generate import generate
from fathom.data.generate.values import value
from fathom.data.generate.words import table
from fathom.text.tools import GENERIC, CallReader

TOOLS = {tool["name"]: tool for tool in table("tools")["tools"]}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_calls_are_read_back_with_arguments_that_were_said(language) -> None:
    called = asked = none = 0
    for example in generate("tools", 400, seed=1, languages=[language]):
        roles = [role for role, _ in example.turns]
        at = roles.index("user")
        listing = json.loads(example.turns[0][1].split("\n[", 1)[1].split("]\n")[0].join("[]"))
        request, reply = example.turns[at][1], example.turns[at + 1][1]
        reader = CallReader(GENERIC)
        text = reader.push(reply) + reader.finish()
        if not reader.calls:
            assert text == reply
            none += "tool" in reply or "工具" in reply
            asked += not ("tool" in reply or "工具" in reply)
            continue
        called += 1
        (call,) = reader.calls
        assert call.name in [tool["name"] for tool in listing]
        arguments = json.loads(call.arguments)
        names = [parameter[0] for parameter in TOOLS[call.name]["parameters"]]
        assert set(names[: TOOLS[call.name]["required"]]) <= set(arguments) <= set(names)
        assert all(text in request for text in arguments.values())
    assert called > 200
    assert asked > 20
    assert none > 40


def test_results_of_calculations_are_right() -> None:
    seen = 0
    for example in generate("tools", 2000, seed=2):
        if " = " in example.answer:
            left, right = example.answer.rstrip("。.").split(" = ")
            assert eval(left.replace("×", "*")) == int(right)
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_kind_of_value_is_known(language) -> None:
    for tool in TOOLS.values():
        for _, kind, *_ in tool["parameters"]:
            assert value(random.Random(1), language, kind)
