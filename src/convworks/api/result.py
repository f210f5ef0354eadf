"""What `convworks.train` returns: the results as a dictionary, with what one does next as attributes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.files import path_of
from convworks.metrics.spec import headline, written_headline

if TYPE_CHECKING:
    from convworks.charts.drawing import Drawing
    from convworks.inference.predictor import Predictor

SPLITS = ("validation", "test")


class Plot:
    """A drawing that notebooks show and `save` writes."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing

    def __repr__(self) -> str:
        return f"<Plot: {self.drawing.label}>"

    def _repr_svg_(self) -> str:
        from convworks.charts.svg import svg_file

        return svg_file(self.drawing)

    def save(self, path: str | Path) -> Path:
        """Write the drawing, as SVG if the suffix is .svg, else as PNG; return the path."""
        from convworks.charts.draw_file import write_drawing

        target = path_of(path)
        write_drawing(target, self.drawing)
        return target


class TrainingResult(dict[str, Any]):
    """The results of a run: {"run", "bundle", "report", "validation", "test", "seconds", ...}.

    Empty in all processes of a distributed run but the first.
    """

    @property
    def history(self) -> list[dict[str, float | int]]:
        """The rows of metrics.jsonl, one per epoch."""
        from convworks.training.folder import history

        return history(Path(self["run"]))

    @cached_property
    def predictor(self) -> Predictor:
        """The trained network, as `convworks.load` returns it."""
        from convworks.inference.load import load

        return load(self["bundle"])

    def plot(self) -> Plot:
        """Draw the learning curves."""
        from convworks.charts.curves import curves

        return Plot(curves(self.history))

    def __repr__(self) -> str:
        if not self:
            return "TrainingResult()"
        return f"TrainingResult({self['run']}: {', '.join(self._scores())})"

    def _repr_html_(self) -> str:
        if not self:
            return "TrainingResult()"
        from convworks.charts.svg import to_svg
        from convworks.pages.render import render

        return str(
            render(
                "result.html",
                scores=self._scores(),
                paths={key: self[key] for key in ("run", "bundle", "report")},
                curves=to_svg(self.plot().drawing) if self.history else "",
            )
        )

    def _scores(self) -> list[str]:
        measured = [split for split in SPLITS if self.get(split)]
        return [f"{split} {headline(self[split]).title} {written_headline(self[split])}" for split in measured]
