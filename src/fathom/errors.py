"""One error type and one code table for the command line, the API and the Python package.

Every error a user can meet is raised as ``FathomError(code, **fields)``. Its row in :data:`CODES` gives the HTTP
status, the OpenAI error type and a template a language; a message says what was found, what was expected, what to do.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

__all__ = ["CODES", "Both", "Code", "FathomError", "language"]


class Both(NamedTuple):
    """A field of an error that is words itself, in both languages."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.en


class Code(NamedTuple):
    status: int  # HTTP status
    type: str  # OpenAI's error type
    en: str
    zh: str


_REQUEST, _SERVER, _MISSING = "invalid_request_error", "server_error", "not_found_error"

CODES: dict[str, Code] = {
    # configuration
    "config_missing": Code(400, _REQUEST, "no config.json in {path}", "{path} 中没有 config.json"),
    "config_invalid": Code(400, _REQUEST, "config.json: {field}: {problem}", "config.json：{field}：{problem}"),
    "model_type_unknown": Code(
        400,
        _REQUEST,
        "model_type {found!r} is not of this family; known: {known}",
        "model_type {found!r} 不属于本模型家族；已知：{known}",
    ),
    # weights
    "model_not_found": Code(
        404,
        _MISSING,
        "no model {name!r}: not a path, not in the store, not in the Hugging Face cache; try `fathom models list` "
        "or `fathom pull OWNER/NAME`",
        "找不到模型 {name!r}：不是路径，模型库和 Hugging Face 缓存中也没有；"
        "试试 `fathom models list` 或 `fathom pull OWNER/NAME`",
    ),
    "file_unreadable": Code(400, _REQUEST, "{path}: {problem}", "{path}：{problem}"),
    "file_malformed": Code(
        400,
        _REQUEST,
        "{path} is damaged or no {format} file: {problem}",
        "{path} 已损坏或不是 {format} 文件：{problem}",
    ),
    "shard_missing": Code(
        400,
        _REQUEST,
        "{path} is missing, though {index} names it; pull the model again",
        "缺少 {path}（{index} 中列出）；请重新下载模型",
    ),
    "tensor_missing": Code(400, _REQUEST, "{path} has no tensor {name}", "{path} 中没有张量 {name}"),
    "tensor_shape": Code(
        400,
        _REQUEST,
        "tensor {name} has shape {found}, the configuration asks for {expected}",
        "张量 {name} 的形状是 {found}，配置要求 {expected}",
    ),
    "tensor_type": Code(
        400,
        _REQUEST,
        "tensor {name}: type {found} can't be used here; known: {known}",
        "张量 {name}：不支持类型 {found}；支持：{known}",
    ),
    "tensor_type_rounded": Code(
        400,
        _REQUEST,
        "tensor {name}: type {found} can't be kept as it is; --dtype int8 (or another) decodes it and rounds once",
        "张量 {name}：类型 {found} 无法原样保留；用 --dtype int8（或其他格式）解码并舍入一次",
    ),
    "tensor_not_finite": Code(
        400,
        _REQUEST,
        "tensor {name} holds NaN or infinite values; the file is damaged",
        "张量 {name} 含有 NaN 或无穷大；文件已损坏",
    ),
    "checkpoint_mismatch": Code(
        400, _REQUEST, "{path} does not match its configuration: {problem}", "{path} 与其配置不符：{problem}"
    ),
    "export_refused": Code(
        400, _REQUEST, "{path} can't be written as GGUF: {problem}", "无法将 {path} 导出为 GGUF：{problem}"
    ),
    "format_unsupported": Code(
        400,
        _REQUEST,
        "{what} {found!r} is not supported; choose one of {known}",
        "不支持{what} {found!r}；可选：{known}",
    ),
    "choice_unknown": Code(
        400, _REQUEST, "{what} {found!r} is unknown; choose one of {known}", "未知的{what} {found!r}；可选：{known}"
    ),
    "in_use": Code(
        409, _REQUEST, "{path} is being written by another process; wait for it", "{path} 正由另一个进程写入；请等待"
    ),
    "calibration_short": Code(
        400,
        _REQUEST,
        "{path} has {found} tokens; calibration needs {least} at least",
        "{path} 只有 {found} 个 token；校准至少需要 {least} 个",
    ),
    "no_space": Code(
        507,
        _SERVER,
        "{path}: the disk is full; {needed} needed, {free} free",
        "{path}：磁盘已满；需要 {needed}，可用 {free}",
    ),
    "memory": Code(
        400,
        _REQUEST,
        "{what} needs {needed} of memory, {free} are available; choose a smaller format (--dtype) or context",
        "{what} 需要 {needed} 内存，当前可用 {free}；请选择更小的格式（--dtype）或上下文",
    ),
    "model_ambiguous": Code(
        400,
        _REQUEST,
        "{name} holds several models; name one of them: {known}",
        "{name} 中有多个模型；请指定其中一个：{known}",
    ),
    "model_protected": Code(400, _REQUEST, "{name} can't be removed: {problem}", "无法删除 {name}：{problem}"),
    "pull_failed": Code(502, _SERVER, "pulling {repo}: {problem}", "下载 {repo}：{problem}"),
    # training
    "train_differs": Code(
        400,
        _REQUEST,
        "the {what} is {found}, but this run has {expected}; restore it, or begin a run in another folder",
        "{what} 为 {found}，而本次训练使用 {expected}；请恢复原来的内容，或在另一文件夹开始新的训练",
    ),
    "train_diverged": Code(
        500,
        _SERVER,
        "the loss or its gradient is not a number at step {step}; the last good state is kept ({kept}); "
        "lower rate.peak",
        "第 {step} 步的损失或梯度不是数；最后的有效状态已保留（{kept}）；请降低 rate.peak",
    ),
    "harness_failed": Code(400, _REQUEST, "lm-evaluation-harness: {problem}", "lm-evaluation-harness：{problem}"),
    # text
    "no_tokenizer": Code(
        400,
        _REQUEST,
        "{path} has no tokenizer; only calls with token ids work",
        "{path} 没有分词器；只能使用以 token id 为输入的调用",
    ),
    "no_begin_token": Code(
        400,
        _REQUEST,
        "the tokenizer of {path} has no token that begins or ends a text, so its first token has no probability",
        "{path} 的分词器没有表示文本开头或结尾的 token，因此首个 token 没有概率",
    ),
    "no_chat_template": Code(
        400, _REQUEST, "{path} has no chat template; use plain completion", "{path} 没有对话模板；请使用纯文本补全"
    ),
    "template_failed": Code(
        400, _REQUEST, "the chat template refused the messages: {problem}", "对话模板拒绝了消息：{problem}"
    ),
    "encoding": Code(
        400, _REQUEST, "{where} is not valid UTF-8 (byte {offset})", "{where} 不是有效的 UTF-8（第 {offset} 字节）"
    ),
    "encoding_wrong": Code(
        400,
        _REQUEST,
        "{where} is not valid {encoding} (byte {offset}); --encoding names another one",
        "{where} 不是有效的 {encoding}（第 {offset} 字节）；可用 --encoding 指定其他编码",
    ),
    "encoding_likely": Code(
        400,
        _REQUEST,
        "{where} is not UTF-8 (byte {offset}) but seems to be {likely}: give --encoding {likely}",
        "{where} 不是 UTF-8（第 {offset} 字节），看起来是 {likely}：请加上 --encoding {likely}",
    ),
    # requests
    "data_invalid": Code(400, _REQUEST, "training data, {source}: {problem}", "训练数据 {source}：{problem}"),
    "data_line": Code(400, _REQUEST, "{path}, line {line}: {problem}", "{path} 第 {line} 行：{problem}"),
    "recipe_invalid": Code(400, _REQUEST, "{path}: {key}: {problem}", "{path}：{key}：{problem}"),
    "data_repeats": Code(
        400,
        _REQUEST,
        "a source would be repeated more than {limit} times over the run ({found}); lower its share, shorten the run "
        "or raise max_repeats",
        "有数据源在整个训练中将重复超过 {limit} 次（{found}）；请降低其比例、缩短训练或提高 max_repeats",
    ),
    "attachment_refused": Code(
        400,
        _REQUEST,
        "{param}: {kind} can't be masked, so it is not sent on; `--attachments redact` leaves it out, `pass` sends it",
        "{param}：{kind} 无法脱敏，因此不会转发；`--attachments redact` 会将其去掉，`pass` 会原样发送",
    ),
    "tokens_refused": Code(
        400,
        _REQUEST,
        "{param}: token ids can't be masked; send text",
        "{param}：无法对 token 编号脱敏；请发送文本",
    ),
    "parameter_invalid": Code(400, _REQUEST, "{param}: {problem}", "{param}：{problem}"),
    "parameter_unsupported": Code(400, _REQUEST, "{param} is not supported", "不支持参数 {param}"),
    "prompt_empty": Code(400, _REQUEST, "the prompt is empty", "提示词为空"),
    "context_length_exceeded": Code(
        400,
        _REQUEST,
        "{prompt} prompt tokens and {wanted} to generate exceed the context of {context} tokens; "
        "shorten the prompt or max_tokens",
        "提示词 {prompt} 个 token 加上要生成的 {wanted} 个超出上下文 {context}；请缩短提示词或减小 max_tokens",
    ),
    "token_out_of_range": Code(
        400, _REQUEST, "token id {found} is not in 0..{last}", "token id {found} 不在 0..{last} 范围内"
    ),
    "grammar_invalid": Code(400, _REQUEST, "{param}: {problem}", "{param}：{problem}"),
    "not_finite": Code(
        500,
        _SERVER,
        "the model produced NaN or infinite logits; check it with `fathom models verify`",
        "模型输出了 NaN 或无穷大；请用 `fathom models verify` 检查",
    ),
    "queue_full": Code(
        429,
        "rate_limit_error",
        "{waiting} requests are waiting already; try again later",
        "已有 {waiting} 个请求在排队；请稍后再试",
    ),
    # server
    "api_key_invalid": Code(
        401,
        "authentication_error",
        "no valid API key; send it as `Authorization: Bearer KEY`",
        "没有有效的 API 密钥；请以 `Authorization: Bearer KEY` 发送",
    ),
    "api_key_needed": Code(
        400,
        _REQUEST,
        "host {host} can be reached from other machines; set FATHOM_API_KEY (or --api-key-file), or serve on 127.0.0.1",
        "其他机器可以访问 {host}；请设置 FATHOM_API_KEY（或 --api-key-file），或只监听 127.0.0.1",
    ),
    "body_too_large": Code(413, _REQUEST, "the body is larger than {limit} bytes", "请求体超过 {limit} 字节"),
    "host_refused": Code(
        403,
        "permission_error",
        "the Host header names {found!r}; this server answers to localhost, 127.0.0.1 and [::1] only",
        "Host 头是 {found!r}；本服务只接受 localhost、127.0.0.1 和 [::1]",
    ),
    "method_not_allowed": Code(405, _REQUEST, "{path} does not take {method}", "{path} 不支持 {method}"),
    "model_loading": Code(503, _SERVER, "the model is still loading; try again shortly", "模型仍在加载，请稍后再试"),
    "model_not_served": Code(
        404, _REQUEST, "no model {name!r} here; this server has {known!r}", "没有模型 {name!r}；本服务提供 {known!r}"
    ),
    "port_taken": Code(
        400, _REQUEST, "can't listen on {host} port {port}: {problem}", "无法监听 {host} 端口 {port}：{problem}"
    ),
    "request_invalid": Code(400, _REQUEST, "{problem}", "{problem}"),
    "route_unknown": Code(404, _MISSING, "no such route: {method} {path}", "没有该接口：{method} {path}"),
    # gateway
    "upstream_unreachable": Code(
        502,
        _SERVER,
        "the upstream can't be reached ({problem}); is its address right?",
        "无法连接上游（{problem}）；请检查其地址",
    ),
    "upstream_timeout": Code(504, _SERVER, "the upstream did not answer in time", "上游未在限定时间内应答"),
    "upstream_broken": Code(
        502, _SERVER, "the upstream's answer can't be used: {problem}", "上游的应答无法使用：{problem}"
    ),
    "page_token_invalid": Code(
        401,
        "authentication_error",
        "open this with the token that the start printed: {path}?token=TOKEN, or the header x-privacy-token",
        "请用启动时打印的令牌打开：{path}?token=令牌，或使用 x-privacy-token 请求头",
    ),
    "leak_blocked": Code(
        403,
        _REQUEST,
        "the answer holds personal data that the request did not ({kinds}), so it is kept back; `--leaks warn` lets it "
        "through",
        "回答中含有请求未提供的个人信息（{kinds}），已被拦截；`--leaks warn` 会放行",
    ),
    "shutting_down": Code(503, _SERVER, "the server is shutting down", "服务正在关闭"),
    "bench_server": Code(502, _SERVER, "{url}: {problem}", "{url}：{problem}"),
    # privacy
    "vault_locked": Code(
        400,
        _REQUEST,
        "{path} can't be opened: this is not its key, or the file was changed",
        "无法打开 {path}：密钥不对，或文件被改动过",
    ),
    "vault_expired": Code(
        400,
        _REQUEST,
        "{path} expired at {when}; what it masked can't be undone any more",
        "{path} 已于 {when} 过期；其中的遮盖无法再还原",
    ),
    "line_invalid": Code(400, _REQUEST, "{path}, line {line}: {problem}", "{path} 第 {line} 行：{problem}"),
    "mask_ambiguous": Code(
        400,
        _REQUEST,
        "{path} holds text that equals a surrogate, so the mask could not be undone; use the operator placeholder",
        "{path} 中有与替身相同的文字，遮盖将无法还原；请改用 placeholder",
    ),
    # machine
    "cpu_level": Code(400, _REQUEST, "FATHOM_CPU: {problem}", "FATHOM_CPU：{problem}"),
    "extra_missing": Code(
        400,
        _REQUEST,
        "{feature} needs the packages of the extra [{extra}]: `make {extra}` in the clone installs them",
        "{feature} 需要额外组件 [{extra}]：在克隆的仓库中运行 `make {extra}` 安装",
    ),
    "internal": Code(500, _SERVER, "internal error: {problem}", "内部错误：{problem}"),
}


class FathomError(Exception):
    """An error with a stable code. ``str(e)`` is the English message; :meth:`message` takes a language.

    ``param`` is the request parameter or file at fault where there is one (OpenAI's ``error.param``).
    """

    def __init__(self, code: str, /, *, param: str | None = None, **fields: Any) -> None:
        self.code = code
        self.fields = fields
        self.param = param if param is not None else fields.get("param")
        super().__init__(self.message("en"))

    @property
    def status(self) -> int:
        return CODES[self.code].status

    @property
    def type(self) -> str:
        return CODES[self.code].type

    def message(self, lang: str = "en") -> str:
        row = CODES[self.code]
        fields = {
            name: value.zh if lang == "zh" and isinstance(value, Both) else value
            for name, value in {"param": self.param, **self.fields}.items()
        }
        return " ".join((row.zh if lang == "zh" else row.en).format(**fields).split())  # one line, always

    def to_openai(self) -> dict[str, Any]:
        """The body of an OpenAI error response; all four keys are always there."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}


def language() -> str:
    """``zh`` or ``en`` by FATHOM_LANG, else by the locale variables in POSIX order."""
    for name in ("FATHOM_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
