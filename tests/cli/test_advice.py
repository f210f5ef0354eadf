"""What `train` prints of a verdict: each command once."""

from __future__ import annotations

from convworks.cli.train import answer

SCORES = {"top1": 0.7, "interval": [0.6, 0.8], "n": 100}


def test_findings_with_the_same_command_share_a_line() -> None:
    mix, cross = "convworks train --data d --set augment.mixup=0.2", "convworks crossval --data d"
    verdict = [
        {"title": "Overfitting", "command": mix},
        {"title": "Small test set", "command": cross},
        {"title": "Overconfident probabilities", "command": mix},
    ]
    results = {"validation": SCORES, "test": None, "bundle": "b", "report": "r", "verdict": verdict}
    lines = answer(results).text.splitlines()
    assert lines[1:3] == [f"overfitting, overconfident probabilities: try {mix}", f"small test set: try {cross}"]
