"""What an editor shows in a spec: the YAML language server that editors run, asked over its protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.cli.main import run

SERVER = Path(sys.prefix) / "share" / "editor" / "node_modules" / ".bin" / "yaml-language-server"
TEXT = """\
# yaml-language-server: $schema=./schemas/mlops.v1.schema.json
version: 1
project: {name: shop}
data: {raw: data/raw}
model:
  architecture: {type: llama, hidden_size: 128, layers: 2, heads: 4, vocab_size: 4096}
training:
  precision: bf17
  learning_rate: 2e-5
  ep
"""


class Editor:
    """A client of the Language Server Protocol 3.17, as far as it is needed."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [SERVER, "--stdio"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.number = 0
        self.told: list[dict[str, Any]] = []
        asked = {"processId": None, "rootUri": folder.as_uri(), "capabilities": {"workspace": {"configuration": True}}}
        self.ask("initialize", asked)
        self.send(method="initialized", params={})

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next message; what the server asks for is answered with nothing."""
        out = self.process.stdout
        assert out is not None
        length = 0
        while line := out.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(out.read(length))
        if "method" in message and "id" in message:
            items = message.get("params", {}).get("items", [])
            on = {"hover": True, "completion": True, "validate": True}
            self.send(id=message["id"], result=[on if item.get("section") == "yaml" else None for item in items])
        return message

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while True:
            message = self.receive()
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self.told.append(message)

    def findings(self, uri: str) -> list[dict[str, Any]]:
        """What is underlined."""
        while True:
            for message in self.told:
                if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["diagnostics"]:
                    assert message["params"]["uri"] == uri
                    return list(message["params"]["diagnostics"])
            self.told.append(self.receive())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    opened = Editor(tmp_path)
    yield opened
    opened.close()


@pytest.mark.timeout(60)
def test_completion_hover_and_underlines(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema"]) == 0
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "mlops.v1.schema.json").write_text(capsys.readouterr().out)
    uri = (tmp_path / "mlops.yaml").as_uri()
    editor.send(
        method="textDocument/didOpen",
        params={"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": TEXT}},
    )

    def at(word: str, after: int = 0) -> dict[str, Any]:
        row = next(number for number, line in enumerate(TEXT.splitlines()) if word in line)
        column = TEXT.splitlines()[row].index(word) + after
        return {"textDocument": {"uri": uri}, "position": {"line": row, "character": column}}

    offered = editor.ask("textDocument/completion", at("  ep", 4))
    found = {item["label"]: item for item in offered["items"]}
    assert found["epochs"]["documentation"] == "Passes over the training part."
    assert found["epochs"]["insertText"] == "epochs: "
    assert "learning_rate" not in found  # it stands there already
    hover = editor.ask("textDocument/hover", at("learning_rate", 3))["contents"]["value"]
    assert hover.startswith("Peak learning rate.")
    assert "0.00002" in hover
    underlined = {finding["range"]["start"]["line"]: finding["message"] for finding in editor.findings(uri)}
    assert underlined[7] == 'Value is not accepted. Valid values: "bf16", "fp16", "fp32".'
