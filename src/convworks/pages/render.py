"""Templates rendered as HTML; values are escaped unless they are Markup."""

from __future__ import annotations

from functools import cache
from typing import Any

from markupsafe import Markup

from convworks.errors import counted
from convworks.pages import numbers


def render(template: str, **values: Any) -> Markup:
    """Render a template of this package; a missing value is an error."""
    return Markup(_environment().get_template(template).render(values))


@cache
def _environment() -> Any:
    # Imported here because it takes 0.1 s, which only writing a page should cost.
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
        "digest": numbers.digest,
        "duration": numbers.duration,
        "decibels": numbers.decibels,
        "p_value": numbers.p_value,
        "thousands": numbers.thousands,
        "counted": counted,
    }
    environment.globals["percent_interval"] = numbers.percent_interval
    return environment
