"""The query of a request: a parameter that a route does not have is refused, as it is most likely misspelt."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Depends, Request

from convworks.errors import nearest
from convworks.serve.problems import ProblemError


async def check(request: Request) -> None:
    """Raise ProblemError for a parameter that the route of a request does not have."""
    names = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in names:
            reason = f"there is no parameter {name!r}{nearest(name, names)}"
            remedy = f"choose from {', '.join(names)}" if names else "leave it out"
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "query", reason, remedy)


#: What a route is given for that.
CHECKED = [Depends(check)]
