"""The page of what left: one HTML text without scripts and without anything from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html import escape

from ...guard.entities import ENTITIES
from .privacy import Found, Record

__all__ = ["privacy_page"]

_TOKEN = re.compile("⟦([A-Z_]+)_[0-9]+⟧")
_OPEN = 3  # requests that are unfolded
_TEXTS = {  # zh, en
    "title": ("外发内容", "What left"),
    "lead": (
        "最近 {kept} 个请求发往 {upstream} 时的样子。此页只在内存中，不含被遮盖的原值；重启即清空。",
        "The last {kept} requests as they went to {upstream}. Kept in memory only, without the values that were "
        "masked; a restart empties it.",
    ),
    "none": ("还没有请求。", "No requests yet."),
    "requests": ("请求", "requests"),
    "masked": ("处已遮盖", "masked"),
    "leaks": ("处回答中的外来信息", "findings in answers"),
    "type": ("类型", "Type"),
    "count": ("次数", "Count"),
    "score": ("把握", "Certainty"),
    "stayed": ("在本机被拒绝，没有发出任何内容。", "Turned away here: nothing left."),
    "nothing": ("未发现个人信息，原样发出。", "Nothing personal was found; it left as it was."),
    "leaked": ("回答中有请求未提供的个人信息：", "In the answer, not supplied by the request: "),
    "omitted": ("另有 {count} 个字符未保留", "{count} more characters are not kept"),
    "sensitive": ("敏感", "sensitive"),
    "refresh": ("刷新", "Refresh"),
    "other": ("English", "中文"),
}
_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5d6878;--paper:#f6f7f9;--card:#fff;--line:#dde2e8;--key:#0b6b5d;
--mark:#d9f2ec;--warn:#a1460a;--warnback:#fdeedd}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ef;--dim:#98a4b3;--paper:#12161c;--card:#1a2029;--line:#2c3540;
--key:#62d0bb;--mark:#173d37;--warn:#f0a868;--warnback:#3a2817}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:52rem;margin:0 auto;padding:1.5rem 1rem 4rem}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem}
h1{font-size:1.5rem;margin:0;flex:1}
a{color:var(--key)}
.lead{color:var(--dim);margin:.5rem 0 1.25rem;overflow-wrap:anywhere}
.sums{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:0 0 1.25rem;padding:0;list-style:none}
.sums b{font-size:1.35rem;font-variant-numeric:tabular-nums;margin-right:.35rem}
details{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:0 0 .75rem;overflow:hidden}
summary{cursor:pointer;padding:.7rem 1rem;display:flex;flex-wrap:wrap;gap:.15rem .9rem;align-items:baseline;
list-style:none}
summary::-webkit-details-marker{display:none}
summary code{font-weight:600}
summary span{color:var(--dim);font-size:.875rem;font-variant-numeric:tabular-nums}
summary .n{margin-left:auto;color:var(--key);font-weight:600}
.in{padding:0 1rem 1rem;border-top:1px solid var(--line)}
table{border-collapse:collapse;width:100%;margin:.75rem 0;font-size:.9rem}
th,td{text-align:left;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:500}
td.r,th.r{text-align:right;font-variant-numeric:tabular-nums;padding:.3rem 0 .3rem .9rem;white-space:nowrap}
td code{color:var(--key)}
small{color:var(--dim)}
.tag{color:var(--warn);font-size:.75rem;margin-left:.4rem;white-space:nowrap}
.leak{color:var(--warn);background:var(--warnback);padding:.5rem .75rem;border-radius:.4rem;margin:.75rem 0}
.at{color:var(--dim);font:.8rem/1.4 ui-monospace,Consolas,monospace;margin:.9rem 0 .2rem;overflow-wrap:anywhere}
pre{margin:0;padding:.6rem .75rem;background:var(--paper);border-radius:.4rem;white-space:pre-wrap;
overflow-wrap:anywhere;font-family:inherit;font-size:.9rem;max-height:24rem;overflow:auto}
mark{background:var(--mark);color:var(--key);border-radius:.25rem;padding:0 .2em;font-weight:600}
"""


def privacy_page(records: Sequence[Record], kept: int, upstream: str, *, zh: bool) -> str:
    """``records`` newest first."""

    def say(name: str, **fields: object) -> str:
        return escape(_TEXTS[name][0 if zh else 1].format(**fields))

    def leaf(record: Record, open: bool) -> str:
        masked = sum(found.count for found in record.found)
        when = record.when.astimezone()
        facts = [escape(record.model), f"{when:%m-%d %H:%M:%S}", str(record.status), _size(record.size)]
        facts.append(f"{record.took_s:.2f} s")
        head = f"<code>/v1{escape(record.route)}</code>" + "".join(f"<span>{fact}</span>" for fact in facts if fact)
        head += f'<span class="n">{masked} {say("masked")}</span>'
        empty = say("nothing" if record.size else "stayed")
        parts = [_table(record.found) if record.found else f"<p><small>{empty}</small></p>"]
        if record.leaks:
            kinds = ", ".join(f"{type} × {count}" for type, count in sorted(record.leaks.items()))
            parts.append(f'<p class="leak">{say("leaked")}{escape(kinds)}</p>')
        for path, text in record.texts:
            if text:
                parts.append(f'<p class="at">{escape(path)}</p><pre>{_marked(text)}</pre>')
        if record.omitted:
            parts.append(f"<p><small>{say('omitted', count=record.omitted)}</small></p>")
        start = "<details open>" if open else "<details>"
        return f'{start}<summary>{head}</summary><div class="in">{"".join(parts)}</div></details>'

    def _table(found: Sequence[Found]) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(each.type)}</code> {_about(each.type, zh)}"
            + (f'<span class="tag">{say("sensitive")}</span>' if _is_sensitive(each.type) else "")
            + f'</td><td class="r">{_scores(each)}</td><td class="r">{each.count}</td></tr>'
            for each in found
        )
        head = f'<tr><th>{say("type")}</th><th class="r">{say("score")}</th><th class="r">{say("count")}</th></tr>'
        return f"<table>{head}{rows}</table>"

    masked = sum(found.count for record in records for found in record.found)
    leaks = sum(sum(Counter(record.leaks).values()) for record in records)
    sums = [(len(records), "requests"), (masked, "masked"), (leaks, "leaks")]
    body = "".join(leaf(record, i < _OPEN) for i, record in enumerate(records)) or f"<p>{say('none')}</p>"
    return (
        f'<!doctype html><html lang="{"zh" if zh else "en"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>fathom · {say("title")}</title>'
        f"<style>{_STYLE}</style></head><body><main><header><h1>{say('title')}</h1>"
        f'<a href="/privacy?lang={"zh" if zh else "en"}">{say("refresh")}</a>'
        f'<a href="/privacy?lang={"en" if zh else "zh"}">{say("other")}</a></header>'
        f'<p class="lead">{say("lead", kept=kept, upstream=upstream)}</p><ul class="sums">'
        + "".join(f"<li><b>{number}</b>{say(name)}</li>" for number, name in sums)
        + f"</ul>{body}</main></body></html>"
    )


def _marked(text: str) -> str:
    return _TOKEN.sub(lambda token: f'<mark title="{token[1]}">{token[0]}</mark>', escape(text))


def _about(type: str, zh: bool) -> str:
    if type not in ENTITIES:
        return ""
    return f"<small>{escape(ENTITIES[type].zh if zh else ENTITIES[type].en)}</small>"


def _is_sensitive(type: str) -> bool:
    return type in ENTITIES and ENTITIES[type].sensitive


def _scores(found: Found) -> str:
    least, best = f"{found.least_score:.2f}", f"{found.best_score:.2f}"
    return best if least == best else f"{least}–{best}"


def _size(nbytes: int) -> str:
    return f"{nbytes} B" if nbytes < 10_000 else f"{nbytes / 1000:.0f} kB"
