"""Text in and out: tokenizer, chat templates, tools, incremental detokeniser. Nothing here knows the model."""
