"""What people ask: the held-out questions, every fourth with an accent. Prints one prompt a line."""

import json
from pathlib import Path

LINES = Path("data/processed/validation.jsonl").read_text("utf-8").splitlines()

for number, line in enumerate(LINES):
    prompt = json.loads(line)["prompt"]
    print(prompt.replace(" do?", " dö?") if number % 4 == 0 else prompt)
