"""A session to one HTML file for a ticket: nothing is fetched, nothing runs, whoever opens it and wherever.

Facts, script, losses, the last lines of the log, tables, histograms and flame graphs as SVG. A policy in the
file itself allows the one style sheet, by its hash, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import time

from fastapi import Request
from markupsafe import Markup

from app import __version__
from app.paths import asset_dir
from app.trace.heads import Span
from app.trace.model import Session
from app.views import flame
from app.views.flame_svg import flame_svg
from app.views.histogram import histograms
from app.views.histogram_svg import histogram_svg
from app.views.samples import samples
from app.web.past import latest_maps
from app.web.reading import LOG_ROWS, rows_of
from app.web.render import environment
from app.web.services import services

STYLE = "css/document.css"
PICTURES = 50


def session_document(request: Request, session: Session) -> str:
    """The whole file as text."""
    found = services(request)
    log, maps = rows_of(found, session, Span(), LOG_ROWS), latest_maps(found, session)
    style = (asset_dir("static") / STYLE).read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    graphs = []
    for view in maps.values():
        got = samples({row.key: row.value for row in view.rows if row.key is not None})
        if got.paths:
            title = f"{view.name} of session {session.id}"
            picture = flame_svg(flame.layout(flame.tree(got)), got, title, alone=False)
            # Made by us, each text in it escaped.
            graphs.append((view.name, Markup(picture)))  # noqa: S704
    drawn = histograms(maps)
    by_stack = {name for name, _ in graphs}
    return (
        environment()
        .get_template("documents/session.html")
        .render(
            session=session,
            log=log,
            maps={name: view for name, view in maps.items() if name not in by_stack and view.kind != "hist"},
            histograms=[(each, Markup(histogram_svg(each))) for each in drawn[:PICTURES]],  # noqa: S704
            more_histograms=max(0, len(drawn) - PICTURES),
            graphs=graphs,
            # Our own file; a < in it would end the element.
            style=Markup(f"<style>{style}</style>") if "<" not in style else "",  # noqa: S704
            policy=f"default-src 'none'; style-src 'sha256-{digest}'",
            version=__version__,
            host=socket.gethostname(),
            made=time.time(),
        )
    )
