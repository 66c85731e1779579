"""Asks a model at /v1 of a server of ours, with OpenAI's own SDK, and types what comes."""

import sys

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:8000/v1", api_key="any")
question = [{"role": "user", "content": "Why does the answer appear word by word?"}]
for chunk in client.chat.completions.create(model="typewriter", messages=question, stream=True):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
