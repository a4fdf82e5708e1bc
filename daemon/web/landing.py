"""The page at /: what this is, and where to look. Static text; nothing of a request is shown."""

import base64
import hashlib
from html import escape
from typing import Final

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "dt{margin-top:.6rem}dd{margin:0;color:#444}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}dd{color:#aaa}a{color:#8ab4f8}}"
)
_LINKS: Final = (
    ("/metrics", "Metrics", "for Prometheus; text format or OpenMetrics"),
    ("/api/v1/status", "Status", "the newest estimates of every series and window, as JSON"),
    ("/readyz", "Readiness", "whether the numbers can be used, and if not, why (also /-/ready)"),
    ("/livez", "Liveness", "whether the process turns; it does not depend on Kafka (also /-/healthy)"),
)

#: Nothing but the page's own style may load, and no other page may frame it.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def landing_page(version: str) -> str:
    """Return the HTML page."""
    links = "\n".join(
        f'<dt><a href="{escape(path)}">{escape(name)}</a></dt><dd>{escape(text)}</dd>' for path, name, text in _LINKS
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Klaxon</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Klaxon</h1>
<p>klaxond {escape(version)}: a streaming monitor of distribution drift. It reads logged pairs of model probabilities
from Kafka and keeps estimates of their Kullback-Leibler divergence, with errors, over sliding windows.</p>
<dl>
{links}
</dl>
</body>
</html>
"""
