"""The tutorial, as a new author follows it: every command is run, every file written, every output compared."""

import subprocess
import sys
from pathlib import Path

from documents import blocks, run

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def test_the_tutorial_leads_to_a_plugin(tmp_path: Path) -> None:
    run(TUTORIAL, tmp_path)
    plugin = tmp_path / "wixsend-desec"
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "140", "--select", "E,F,W,B,UP,RUF100", str(plugin)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_block_of_the_tutorial_takes_part() -> None:
    for block in blocks(TUTORIAL):
        assert block.language in ("sh", "text") or (block.language == "python" and block.says), f"nobody runs {block}"
    assert TUTORIAL.read_text().count("\n```") == 2 * len(blocks(TUTORIAL))
