"""Templates rendered as HTML: whatever is put into them is escaped, unless it is Markup already."""

from __future__ import annotations

from functools import cache
from typing import Any

from markupsafe import Markup

from convworks.pages import numbers


def render(template: str, **values: Any) -> Markup:
    """Render a template of this package; a value that it names and is not given is an error."""
    return Markup(_environment().get_template(template).render(values))


@cache
def _environment() -> Any:
    # Imported here: it takes a tenth of a second, which only those who write a page need to wait.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("convworks.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": numbers.percent,
        "duration": numbers.duration,
        "decibels": numbers.decibels,
        "p_value": numbers.p_value,
        "thousands": numbers.thousands,
    }
    environment.globals["percent_interval"] = numbers.percent_interval
    return environment
