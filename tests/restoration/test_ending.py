"""What is said to have ended fits: the reason of a rule that ended none is not given."""

from __future__ import annotations

import pytest

from convworks.restoration.ending import ending
from convworks.restoration.request import Request

DENOISE, ENLARGE = Request(problem="denoise"), Request(problem="superres")


@pytest.mark.parametrize(
    ("request_", "ends", "words"),
    [
        (DENOISE, {"held-out"}, f"stopped by held-out: {DENOISE.why}"),
        (DENOISE, {"held-out", "time"}, f"stopped by held-out: {DENOISE.why}; some fits ended earlier, by the time"),
        (DENOISE, {"time"}, "ended by the time, before the rule (held-out) did"),
        (DENOISE, {"another run", "time"}, "ended by the time, before the rule (held-out) did"),
        (DENOISE, {"iterations"}, "ended by the number of iterations, before the rule (held-out) did"),
        (DENOISE, {"time", "divergence"}, "ended by the time and divergence, before the rule (held-out) did"),
        (ENLARGE, {"iterations"}, f"stopped by iterations: {ENLARGE.why}"),
        (ENLARGE, {"time"}, "ended by the time, before the rule (iterations) did"),
    ],
)
def test_what_really_ended_the_fits(request_: Request, ends: set[str], words: str) -> None:
    assert ending(request_, ends) == words
