"""What each role may reach: one rule for every address and every Dash callback; what has no rule is refused.

The guard (wall/auth.py) asks here before anything else runs. Add a line when you add a route, a page or a callback;
a test walks all routes of the server and finds those without a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models.roster import RIGHTS, Right

# open: everybody · session: whoever logged in, displays and units too · show: displays, and who may look
Need = Right | Literal["open", "session", "show"]
DISPLAY = "display"  # the role of a wall's own browser, which no person has


@dataclass(frozen=True)
class Rule:
    """Who may ask ``methods`` of ``path``: whoever has one of ``needs``. A path that ends with * is a beginning.

    A stranger who asks for a ``page`` is led to the login, everybody else is told 401.
    """

    methods: str
    path: str
    needs: tuple[Need, ...]
    page: bool = False

    def fits(self, method: str, path: str) -> bool:
        """Whether this rule is about the request."""
        if method not in self.methods.split():
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


READ, SEND, BOTH = "GET HEAD", "POST", "GET HEAD POST"
RULES: tuple[Rule, ...] = (
    # the door, its looks, and the machine's two
    Rule(BOTH, "/login", ("open",)),
    Rule(BOTH, "/login/*", ("open",)),
    Rule(READ, "/assets/theme.css", ("open",)),
    Rule(READ, "/assets/login.css", ("open",)),
    Rule(READ, "/assets/favicon.svg", ("open",)),
    Rule(READ, "/assets/fonts/*", ("open",)),
    Rule(READ, "/healthz", ("open",)),
    Rule(READ, "/metrics", ("open",)),
    # everybody who is known
    Rule(READ, "/", ("session",), page=True),
    Rule(READ, "/home", ("session",)),
    Rule(SEND, "/logout", ("session",)),
    Rule(BOTH, "/session", ("session",)),
    Rule(READ, "/assets/*", ("session",)),
    # the big screen
    Rule(READ, "/wall", ("show",), page=True),
    Rule(READ, "/wall/*", ("show",), page=True),
    Rule(READ, "/stream", ("show",)),
    Rule(READ, "/boot.json", ("show",)),
    Rule(READ, "/points.bin", ("show",)),
    Rule(READ, "/_dash-component-suites/*", ("show",)),
    Rule(READ, "/_dash-layout", ("show",)),
    Rule(READ, "/_dash-dependencies", ("show",)),
    Rule(READ, "/_favicon.ico", ("show",)),
    Rule(READ, "/_reload-hash", ("show",)),
    Rule(SEND, "/_dash-update-component", ("show",)),  # and the callback's own right, below
    # the desk
    Rule(READ, "/desk", ("look",), page=True),
    Rule(READ, "/alert/*", ("look",)),
    Rule(READ, "/incident/*", ("look",)),
    Rule(SEND, "/command", ("act",)),
    Rule(SEND, "/budget", ("act",)),
    Rule(SEND, "/order", ("act",)),
    Rule(BOTH, "/command/*", ("act",)),
    Rule(SEND, "/presence", ("look",)),
    Rule(BOTH, "/views", ("look",)),
    Rule(SEND, "/views/delete", ("look",)),
    Rule(READ, "/units", ("look",)),
    Rule(READ, "/duty", ("look",)),
    Rule(READ, "/curve/*", ("look",)),
    Rule(READ, "/report/*", ("act", "audit")),
    Rule(READ, "/command/*", ("act",)),
    Rule(SEND, "/command/*", ("act",)),
    Rule(SEND, "/presence", ("look",)),
    Rule(BOTH, "/views", ("look",)),
    Rule(SEND, "/views/delete", ("look",)),
    Rule(READ, "/units", ("look",)),
    Rule(READ, "/duty", ("look",)),
    Rule(READ, "/report/*", ("look",)),
    Rule(READ, "/curve/*", ("look",)),
    # the planner's desk
    Rule(READ, "/planner", ("look",), page=True),
    Rule(READ, "/planner/*", ("look",)),  # the audit asks for more (wall/planner/routes.py)
    Rule(SEND, "/planner/*", ("plan", "lead", "audit")),  # and each route its own right
    # looking back
    Rule(SEND, "/replay", ("look",)),
    Rule(READ, "/replay/*", ("look",), page=True),
    Rule(SEND, "/replay/*", ("look",)),
    # a unit's phone
    Rule(READ, "/pocket/worker.mjs", ("open",)),  # fetched without cookies; no data is in it
    Rule(READ, "/assets/js/pocket/*", ("open",)),
    Rule(READ, "/pocket", ("serve",), page=True),
    Rule(BOTH, "/pocket/*", ("serve",)),
)
# Dash's callbacks by their output. One that lays out a page also needs the right to that page.
CALLBACKS: dict[str, tuple[Need, ...]] = {"scene.children": ("show",)}


def rule(method: str, path: str) -> Rule | None:
    """The rule of a request: that of the very path, else of the longest beginning; None when there is none."""
    fitting = [it for it in RULES if it.fits(method, path)]
    return max(fitting, key=lambda it: (not it.path.endswith("*"), len(it.path)), default=None)


def meets(role: str | None, needs: Iterable[Need]) -> bool:
    """Whether a session of ``role`` (None: there is no session) has one of ``needs``."""
    return not held(role).isdisjoint(needs)


def held(role: str | None) -> frozenset[Need]:
    """All that ``role`` may."""
    if role is None:
        return frozenset({"open"})
    rights: set[Need] = {"open", "session", *RIGHTS.get(role, ())}
    if role == DISPLAY or "look" in rights:
        rights.add("show")
    return frozenset(rights)


def able(needs: Iterable[Need]) -> str:
    """The roles that have one of ``needs``, for a sentence."""
    return ", ".join(role for role in RIGHTS if role != "system" and meets(role, needs))
