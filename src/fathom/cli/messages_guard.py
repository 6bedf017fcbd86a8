"""What ``fathom mask`` and ``fathom serve --upstream`` say, in English and Chinese."""

from __future__ import annotations

__all__ = ["GUARD"]

# key: (English, Chinese)
GUARD: dict[str, tuple[str, str]] = {
    # serve --upstream
    "gateway.upstream": (
        "No model of its own: a privacy gateway in front of this API, e.g. https://api.example.com/v1.",
        "不运行模型，而是作为此 API 前的隐私网关，如 https://api.example.com/v1。",
    ),
    "gateway.key": (
        "File with the upstream's key (or FATHOM_UPSTREAM_KEY); else the client's own is passed on.",
        "存放上游密钥的文件（也可用 FATHOM_UPSTREAM_KEY）；否则转发客户端自己的密钥。",
    ),
    "gateway.timeout": (
        "Longest silence of the upstream; default: 300.",
        "上游最长的静默时间；默认 300。",
    ),
    "gateway.operator": (
        "placeholder or surrogate; TYPE=NAME for one type. May be given again.",
        "placeholder 或 surrogate；TYPE=NAME 只用于一类。可重复给出。",
    ),
    "gateway.attachments": (
        "Images, sound and files in a request: refuse (default), pass, or redact (leave them out).",
        "请求中的图片、音频和文件：refuse（拒绝，默认）、pass（放行）或 redact（去掉）。",
    ),
    "gateway.leaks": (
        "Personal data in answers that the request did not hold: warn (default), mask, block or off.",
        "回答中请求未提供的个人信息：warn（提示，默认）、mask（遮盖）、block（拦截）或 off（不查）。",
    ),
    "gateway.vault_dir": (
        "Keep what was masked for previous_response_id, encrypted (key: as for fathom mask --vault).",
        "为 previous_response_id 加密保存被遮盖的内容（密钥同 fathom mask --vault）。",
    ),
    "gateway.vault_ttl": (
        "How long it is kept there; default: 3600.",
        "在那里保存多久；默认 3600。",
    ),
    "gateway.page": (
        "Show the last requests as they left at /privacy, behind a token; kept in memory only.",
        "在 /privacy 显示最近的请求外发时的样子，凭令牌访问；只保存在内存中。",
    ),
    "gateway.ready": (
        "gateway at {url}/v1 to {upstream} (Ctrl-C ends)\n"
        "  OpenAI clients:    OPENAI_BASE_URL={url}/v1\n"
        "  Anthropic clients: ANTHROPIC_BASE_URL={url}",
        "网关位于 {url}/v1，转发至 {upstream}（Ctrl-C 结束）\n"
        "  OpenAI 客户端：    OPENAI_BASE_URL={url}/v1\n"
        "  Anthropic 客户端： ANTHROPIC_BASE_URL={url}",
    ),
    "gateway.page_at": ("  What left:         {url}", "  外发内容：         {url}"),
    # mask
    "mask": (
        "Mask personal data and secrets in a text, JSONL or CSV file; --restore puts them back.",
        "遮盖文本、JSONL 或 CSV 文件中的个人信息和密钥；--restore 可还原。",
    ),
    "mask.file": ("The file; - is standard input.", "文件；- 表示标准输入。"),
    "mask.jsonl": (
        'One JSON object a line: all its texts are masked, "entities" is added.',
        "每行一个 JSON 对象：遮盖其中所有文本，并加上 entities。",
    ),
    "mask.fields": (
        "JSONL: mask these fields only, separated by commas, e.g. note,user.name; name=PERSON: all of it is that.",
        "JSONL：只遮盖这些字段，以逗号分隔，如 note,user.name；name=PERSON 表示该字段全是姓名。",
    ),
    "mask.csv": (
        "CSV: mask these columns, names of the first row, numbers from 1, or all; name=PERSON: all of it is that.",
        "CSV：遮盖这些列，用第一行中的列名或从 1 起的序号，以逗号分隔；all 表示所有列；name=PERSON 表示该列全是姓名。",
    ),
    "mask.output": ("Write here instead of standard output.", "写入此文件，而不是标准输出。"),
    "mask.vault": (
        "Keep what was masked in this encrypted file (key: FATHOM_VAULT_KEY, else a key file of yours).",
        "把被遮盖的内容保存在此加密文件中（密钥取自 FATHOM_VAULT_KEY，否则用你的密钥文件）。",
    ),
    "mask.restore": ("Undo the mask with --vault.", "用 --vault 还原。"),
    "mask.expires": ("The vault can be opened for so many days.", "保险库在这么多天内可以打开。"),
    "mask.encoding": (
        "utf-8, gb18030 (GBK and GB2312 too), utf-16, utf-16-le or utf-16-be; written back the same. "
        "Default: by the byte order mark, else utf-8.",
        "utf-8、gb18030（含 GBK、GB2312）、utf-16、utf-16-le 或 utf-16-be；以同一编码写回。"
        "默认按字节序标记判断，没有则为 utf-8。",
    ),
    "mask.operator": (
        "placeholder, surrogate, partial, hash or redact; TYPE=NAME for one type. May be given again.",
        "placeholder、surrogate、partial、hash 或 redact；TYPE=NAME 只用于一类。可重复给出。",
    ),
    "mask.types": (
        "Look for these types only, separated by commas; all: also health, religion and biometric data.",
        "只查找这些类型，以逗号分隔；all 还包括健康、宗教和生物识别信息。",
    ),
    "mask.dict": (
        "Mask the values in this file, one a line; a tab and a type may follow.",
        "遮盖此文件中的值，每行一个；其后可接制表符和类型。",
    ),
    "mask.pattern": (
        "Mask what matches, as TYPE=REGEX, e.g. CUSTOM=ORD-[0-9]+. May be given again.",
        "遮盖匹配项，写作 TYPE=REGEX，如 CUSTOM=ORD-[0-9]+。可重复给出。",
    ),
    "mask.allow": ("Never mask the values in this file, one a line.", "不遮盖此文件中的值，每行一个。"),
    "mask.threshold": (
        "Mask what is as sure as this, 0 to 1: less finds more, and more that is not personal. Default: 0.5.",
        "遮盖把握不低于此值（0 到 1）的内容：越小找到的越多，误报也越多。默认 0.5。",
    ),
    "mask.strict": (
        "Mask numbers that have their label and shape (ID, card ...) though the check digit is wrong: typos too.",
        "有标签、形状相符的号码（身份证号、卡号等）即使校验位不对也遮盖，以防打错的号码漏过。",
    ),
    "mask.stdin": ("standard input", "标准输入"),
    "mask.progress": ("masking {what}", "遮盖 {what}"),
    "mask.key_made": ("made a key for vaults: {path} (keep a copy of it)", "已生成保险库密钥：{path}（请另存一份）"),
    "mask.lines": ("lines {lines}", "第 {lines} 行"),
    "mask.total": (
        "masked {count} values in {size} ({seconds} s); there is no guarantee that all were found",
        "在 {size} 中遮盖了 {count} 处（{seconds} 秒）；不保证已找出全部",
    ),
    "mask.lost": (
        "nothing keeps what was masked: it can't be undone (--vault FILE keeps it)",
        "被遮盖的内容没有保存，无法还原（--vault FILE 可保存）",
    ),
    "mask.unknown": (
        "{count} placeholders are not in this vault and stay as they are: {named}",
        "有 {count} 处占位符不在此保险库中，保持原样：{named}",
    ),
    "mask.undo": ("undo: {command}", "还原：{command}"),
}
