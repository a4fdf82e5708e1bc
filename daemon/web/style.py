"""The pages' one style, and the content security policy that allows nothing else.

Colours are pairs of light and dark; PAIRS says which stand on which, so that a test computes their contrast.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from daemon.drift_rule import State

#: Name: (light, dark).
COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "page": ("#ffffff", "#12161b"),
    "text": ("#1f2328", "#e6edf3"),
    "quiet-text": ("#59636e", "#9aa5b1"),
    "rule": ("#dfe3e8", "#2b333c"),
    "grid": ("#e9ecf0", "#232a32"),
    "link": ("#0b5cad", "#7ab8ff"),
    "curve": ("#1d5fa6", "#6cb2ff"),
    "band": ("#d5e3f3", "#1d3550"),
    "short": ("#6e7781", "#8b97a4"),
    "limit": ("#b3261e", "#ff8a7d"),
    "alarm-text": ("#8f1414", "#ffb4ab"),
    "alarm": ("#fde7e6", "#4a1513"),
    "broken-text": ("#5b21a6", "#d9c2ff"),
    "broken": ("#efe6fd", "#35205c"),
    "wait-text": ("#6b4600", "#f5cf7e"),
    "wait": ("#fdf0d5", "#3f2f0a"),
    "idle-text": ("#444c56", "#c0c9d2"),
    "idle": ("#eceff2", "#2a313a"),
    "fine-text": ("#0f5d33", "#8fdfae"),
    "fine": ("#dff3e6", "#123a24"),
}
#: (foreground, background, least contrast by WCAG 2.2: 4.5 for text, 3 for graphics).
PAIRS: Final = (
    *((text, "page", 4.5) for text in ("text", "quiet-text", "link", "limit", "alarm-text", "broken-text")),
    *((f"{tone}-text", tone, 4.5) for tone in ("alarm", "broken", "wait", "idle", "fine")),
    ("text", "wait", 4.5),
    ("text", "alarm", 4.5),
    ("curve", "page", 3.0),
    ("curve", "band", 3.0),
    ("short", "page", 3.0),
    ("limit", "band", 3.0),
)
#: The tone of each state's badge.
TONES: Final[Mapping[State, str]] = {
    "infinite": "alarm",
    "drift": "alarm",
    "not_comparable": "broken",
    "no_data": "idle",
    "incomplete": "wait",
    "measuring": "idle",
    "quiet": "fine",
}

_LAYOUT: Final = """
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1.25rem 3rem;max-width:72rem;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
a{color:var(--link);text-underline-offset:.15em}
h1,h2,h3{line-height:1.25;margin:0}
h1{font-size:1.05rem;letter-spacing:.01em}h2{font-size:1.3rem}h3{font-size:1rem}
p{margin:0}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline;justify-content:space-between}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.9rem}
.lead{font-size:1.75rem;line-height:1.25;font-weight:600;margin:1.5rem 0 .5rem;text-wrap:balance}
.meta,.facts,.small,footer{color:var(--quiet-text);font-size:.9rem}
.meta{display:flex;flex-wrap:wrap;gap:.1rem 1.25rem}
.note{background:var(--wait);border-radius:.4rem;padding:.6rem .9rem;margin:1rem 0 0}
.note.alarm{background:var(--alarm)}
section{margin-top:2.25rem;padding-top:1.25rem;border-top:1px solid var(--rule)}
.facts{display:flex;flex-wrap:wrap;gap:.4rem 1.75rem;margin:.5rem 0 0}
.facts div{display:flex;gap:.4rem}.facts dt{color:var(--quiet-text)}.facts dd{margin:0;color:var(--text)}
article{display:grid;grid-template-columns:minmax(0,1fr) 16.5rem 20rem;gap:.5rem 1.75rem;padding:1.1rem 0;
border-top:1px solid var(--rule)}
section>article:first-of-type{border-top:0}
.said{display:flex;flex-direction:column;gap:.4rem;align-items:flex-start}
.badge{display:inline-block;border-radius:.35rem;padding:.05rem .55rem .1rem;font-size:.85rem;font-weight:600;
white-space:nowrap}
.key{color:var(--quiet-text);font-weight:400}
.value{font-size:1.6rem;line-height:1.2;font-weight:600;white-space:nowrap}
.unit{font-size:.85rem;font-weight:400;color:var(--quiet-text)}
svg{display:block;width:100%;height:auto}
svg text{font-size:10px;fill:var(--quiet-text)}
.grid{stroke:var(--grid)}.axis{stroke:var(--short)}.curve,.short,.limit,.grid,.axis{fill:none}
.curve{stroke:var(--curve);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.short{stroke:var(--short);stroke-width:1;stroke-linejoin:round;stroke-linecap:round}
.band{fill:var(--band);stroke:var(--band)}
.limit{stroke:var(--limit);stroke-dasharray:5 3}svg text.limit{fill:var(--limit);stroke:none}
.failed{fill:var(--broken-text)}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin-top:1rem;font-size:.9rem;min-width:100%}
caption{text-align:left;font-weight:600;padding-bottom:.4rem}
th,td{overflow-wrap:break-word;text-align:left;vertical-align:top;padding:.3rem 1rem .3rem 0;
border-bottom:1px solid var(--rule);font-weight:400}
thead th{color:var(--quiet-text)}td.number{white-space:nowrap}
th code{white-space:nowrap}section>p{margin-top:.5rem}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.help h3{margin-top:1.25rem}.help ul{margin:.25rem 0 0;padding-left:1.25rem}
footer{margin-top:2.5rem;padding-top:1rem;border-top:1px solid var(--rule);display:grid;gap:.5rem}
@media(max-width:62rem){article{grid-template-columns:minmax(0,1fr) 20rem}.said{grid-row:span 2}}
@media(max-width:42rem){body{padding:1rem .9rem 2rem}article{grid-template-columns:minmax(0,1fr)}
.said{grid-row:auto}.lead{font-size:1.4rem;margin-top:1rem}svg{max-width:24rem}}
"""


def _variables(shade: int) -> str:
    return "".join(f"--{name}:{colours[shade]};" for name, colours in COLOURS.items())


def _badges() -> str:
    tones = sorted(set(TONES.values()))
    return "".join(f".badge.{tone}{{color:var(--{tone}-text);background:var(--{tone})}}" for tone in tones)


STYLE: Final = (
    f":root{{color-scheme:light dark;{_variables(0)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(1)}}}}}{_LAYOUT}{_badges()}"
).replace("\n", "")

#: Nothing but the pages' own style may load, and no other page may frame them.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
