"""The CPU engine: token ids in, token ids and logits out. Nothing here knows text, chat or HTTP."""
