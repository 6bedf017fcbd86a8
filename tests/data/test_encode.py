import numpy as np
import pytest

from fathom.assets import ASSETS
from fathom.data.encode import Encoder
from fathom.errors import FathomError
from fathom.text.template import ChatTemplate
from fathom.text.tokenizer import Tokenizer

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello, 你好!"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
]


@pytest.fixture(scope="module")
def encoder():
    return Encoder(ASSETS / "mini")


def test_a_text_stands_between_beginning_and_end(encoder) -> None:
    (ids, learnt), *rest = encoder.texts(["Hello, 你好!", ""])
    tokenizer = Tokenizer.load(ASSETS / "mini")
    assert ids.tolist() == [tokenizer.bos_id, *tokenizer.encode("Hello, 你好!"), tokenizer.eos_ids[0]]
    assert learnt is None
    assert len(rest[0][0]) == 2


@pytest.mark.parametrize("talk", [TALK, TALK[1:], TALK[1:3], TALK[:3]])
def test_a_conversation_is_what_the_models_template_makes_of_it(encoder, talk) -> None:
    ((ids, _),) = encoder.conversations([talk])
    template = ChatTemplate.of(Tokenizer.load(ASSETS / "mini"))
    assert ids.tolist() == template.render(talk, add_generation_prompt=False)


def test_only_answers_and_what_ends_them_are_learnt(encoder) -> None:
    tokenizer = Tokenizer.load(ASSETS / "mini")
    ((ids, learnt),) = encoder.conversations([TALK])
    assert (
        tokenizer.decode(ids[learnt].tolist(), skip_special=False) == "Hi.<｜end▁of▁sentence｜>4<｜end▁of▁sentence｜>"
    )
    prompt = ChatTemplate.of(tokenizer).render(TALK[:-1])
    assert ids[: len(prompt)].tolist() == prompt
    assert learnt[len(prompt) :].all()


def test_many_documents_come_out_in_order(encoder) -> None:
    texts = [f"number {i}" for i in range(2500)]
    tokenizer = Tokenizer.load(ASSETS / "mini")
    assert [tokenizer.decode(ids.tolist()) for ids, _ in encoder.texts(texts)] == texts
    talks = [[{"role": "user", "content": t}, {"role": "assistant", "content": t}] for t in texts]
    assert sum(int(np.count_nonzero(learnt)) for _, learnt in encoder.conversations(talks)) > 2500


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages|length }}",
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}{{ loop.index }}]{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_that_is_more_than_turns_is_refused(encoder, template, tmp_path) -> None:
    other = Encoder(ASSETS / "mini")
    other._template = ChatTemplate(template, other.tokenizer)
    with pytest.raises(FathomError, match="chat template refused"):
        list(other.conversations([TALK]))


def test_a_folder_without_a_tokenizer_is_refused(tmp_path) -> None:
    with pytest.raises(FathomError, match="tokenizer"):
        Encoder(tmp_path)
