"""The planner's routes: everything below ``/planner/``. Who looks may read; planners, supervisors and admins change.

The audit is for those with the right to it, and planners. What takes long is a job (wall/planner/jobs.py).
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from config import city as cities
from config import pack as packs
from config import roster as rosters
from config.city import City
from config.duty_files import DutyError
from config.register import Register, RegisterError
from config.registrar import AdoptError, Registrar
from config.settings import Settings
from models import dial, silences
from models.budget import MOST_AN_HOUR
from models.roster import may
from models.values import Order, Role
from wall import view
from wall.asked import TooLong, limited, session_of
from wall.auth import Session, problem
from wall.commands import BODY_LIMIT, Commands, Unavailable
from wall.login import spoken
from wall.planner import seen
from wall.planner.jobs import RUNNING, Busy, Jobs
from wall.planner.tools import ToolError, Tools
from wall.store import Store
from wall.words import catalogue

JSON = "application/json"
MOST_LINES = 500  # of the audit or the dead letters in one answer
PREVIEW = "preview"
PREVIEWS = 2 * RUNNING  # texts of packs that are kept
TEXT_LIMIT = 2 * packs.LARGEST  # bytes of a request with the text of a pack
VERIFY = "verify"
T = TypeVar("T")
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Comment = Annotated[str, msgspec.Meta(max_length=2000)]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Expression = Annotated[str, msgspec.Meta(max_length=2000)]
Moment = Annotated[str, msgspec.Meta(max_length=40)]
REPORTS = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
LETTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


class Silenced(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /planner/silences: begin one, or end that of ``ends``."""

    matchers: dict[Literal["pack", "rule", "place", "district", "kind"], Short] = {}
    until: int | None = None
    start: int | None = None
    comment: Comment = ""
    ends: Annotated[str, msgspec.Meta(max_length=128)] = ""
    id: Id | None = None


class Turned(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /planner/budget: alerts an hour for the whole city."""

    per_hour: Annotated[float, msgspec.Meta(ge=0, le=MOST_AN_HOUR)]
    comment: Comment = ""
    id: Id | None = None


class Adopted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /planner/adopt: what a person says of an unknown datastream."""

    datastream: Annotated[str, msgspec.Meta(min_length=3, max_length=400)]
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    name_en: Annotated[str, msgspec.Meta(max_length=200)] = ""
    name_zh: Annotated[str, msgspec.Meta(max_length=200)] = ""
    dry_run: bool = False


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /planner/jobs.

    ``preview``: a span of the archive, its last day unless told, with a rule changed or left out (``without``), a pack
    as in the file ``text``, or another dial; ``verify``: the audit; ``drill``: run at speed. ``start`` and ``end`` are
    moments of the city's time, ``hold`` and ``clear_hold`` durations as packs write them.
    """

    what: Literal["preview", "verify", "drill"]
    drill: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] | None = None
    rule: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z][A-Za-z0-9_-]*$")] | None = None
    expr: Expression = ""
    clear: Expression = ""
    hold: Annotated[str, msgspec.Meta(max_length=20)] = ""
    clear_hold: Annotated[str, msgspec.Meta(max_length=20)] = ""
    severity: Annotated[str, msgspec.Meta(max_length=20)] = ""
    line: float | None = None
    without: bool = False
    text: Annotated[str, msgspec.Meta(max_length=packs.LARGEST)] = ""
    start: Moment = ""
    end: Moment = ""
    per_hour: Annotated[float, msgspec.Meta(ge=0, le=MOST_AN_HOUR)] | None = None


class Refusal(Exception):
    """A request that is not carried out: its HTTP status and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Planner:
    """Answers for one city's planners; ``build`` changes with every update, so that browsers then reload."""

    def __init__(
        self, settings: Settings, city: City, register: Register, store: Store, commands: Commands, build: str
    ) -> None:
        self._settings = settings
        self._city = city
        self._register = register
        self._store = store
        self._commands = commands
        self._build = build
        self._tools = Tools(settings)
        self._jobs = Jobs(self._tools)

    def add(self, server: FastAPI) -> None:
        """Register all routes."""
        for path, method, answer in (
            ("boot.json", "GET", self.boot),
            ("rules", "GET", self.rules),
            ("packs", "GET", self.packs),
            ("silences", "GET", self.silences),
            ("silences", "POST", self.silence),
            ("budget", "POST", self.budget),
            ("roster", "GET", self.roster),
            ("dead", "GET", self.dead),
            ("dead/{letter}", "GET", self.letter),
            ("dead/{letter}/replay", "POST", self.replay),
            ("register", "GET", self.unknown),
            ("adopt", "POST", self.adopt),
            ("audit", "GET", self.audit),
            ("forecasts", "GET", self.forecasts),
            ("past", "GET", self.past),
            ("after-action/{name}", "GET", self.report),
            ("jobs", "GET", self.jobs),
            ("jobs", "POST", self.begin),
            ("jobs/{job}", "GET", self.job),
            ("jobs/{job}/stop", "POST", self.stop),
        ):
            server.add_api_route(f"/planner/{path}", _told(answer), methods=[method], response_model=None)

    async def close(self) -> None:
        """Stop what runs."""
        await self._jobs.close()

    # --- what is read ---------------------------------------------------------------------------------------------

    async def boot(self, request: Request) -> Any:
        """What the page needs once: who is asking, what they may do, the words."""
        session, lang = _looking(request), spoken(request)
        return {
            "build": self._build,
            "lang": lang,
            "user": {
                "name": session.user,
                "role": session.role,
                "changes": changes(session),
                "audits": audits(session),
            },
            "city": {"name": view.text(self._city.name), "timezone": self._city.timezone},
            "packs": [name for name, _ in await self._declared()],
            "districts": [{"id": zone.id, "name": view.text(zone.name)} for zone in self._city.districts],
            "words": catalogue(lang),
        }

    async def rules(self, request: Request) -> Any:
        """Every rule with its line, and the dial of the budget."""
        _looking(request)
        _, told = view.watch(await self._store.watch())
        return {"rules": seen.rules(await self._declared()), "budget": told.get("now")}

    async def packs(self, request: Request) -> Any:
        """The packs: in force, refused and why, or drafts."""
        _looking(request)
        told = {name.decode(): msgspec.json.decode(data) for name, data in (await self._store.packs()).items()}
        return {"packs": seen.pack_rows(await self._declared(), told)}

    async def silences(self, request: Request) -> Any:
        """Who silenced what, why and until when."""
        _looking(request)
        return {"silences": seen.silences(await self._store.room(), _now())}

    async def roster(self, request: Request) -> Any:
        """Who is on duty now, next, and in the coming days."""
        _looking(request)
        rota = seen.rota(await self._store.room())
        try:
            declared = await asyncio.to_thread(rosters.load, self._city.folder)
        except DutyError as error:
            raise Refusal(422, str(error)) from error
        return seen.roster(declared, self._city.calendar, rota, _now())

    async def dead(self, request: Request) -> Any:
        """The newest dead letters without their bodies."""
        _looking(request)
        return await self._tools.ask("dead", "list", f"--limit={_limit(request)}", "--brief", "--json")

    async def letter(self, request: Request, letter: str) -> Any:
        """One dead letter with its body."""
        _looking(request)
        return await self._tools.ask("dead", "show", "--json", "--", _letter(letter))

    async def unknown(self, request: Request) -> Any:
        """Datastreams that came and nobody registered, and how large the register is."""
        _looking(request)
        rows = await self._store.unknown()
        shown = await asyncio.to_thread(seen.unknown, rows, await self._registrar(), self._register)
        return {"datastreams": len(self._register), "unknown": shown}

    async def audit(self, request: Request) -> Any:
        """The newest lines of the history, of one person or one subject where asked."""
        _auditing(request)
        words = [f"--limit={_limit(request)}"]
        words += [
            f"--{name}={value[:200]}" for name in ("by", "subject") if (value := request.query_params.get(name, ""))
        ]
        return await self._tools.ask("audit", "list", *words, "--json")

    async def forecasts(self, request: Request) -> Any:
        """The trained versions by property: which is in use, and how far each missed on its last day."""
        _looking(request)
        return {"properties": await self._tools.ask("forecast", "list", "--json")}

    async def past(self, request: Request) -> Any:
        """What can be looked back at and practised: the picture's incidents, and the drills."""
        _looking(request)
        found = await self._store.incidents()
        return {"incidents": seen.incidents(found), "drills": await asyncio.to_thread(seen.drills)}

    async def report(self, request: Request, name: str) -> Any:
        """The after-action report ``<incident>.<html|pdf|docx>``, in the reader's language or ``?lang=``."""
        _looking(request)
        incident, _, form = name.rpartition(".")
        if form not in REPORTS or LETTER.fullmatch(incident) is None:
            raise Refusal(404, f"there is no report {name[:80]}; ask for <incident>.{'|'.join(REPORTS)}")
        words = ("after-action", f"--format={form}", f"--language={spoken(request)}")
        body = await self._tools.made(*words, incident, name=f"report.{form}")
        headers = {"content-disposition": f'inline; filename="after-action-{incident}.{form}"'}
        return Response(body, media_type=REPORTS[form], headers=headers)

    # --- what is changed ------------------------------------------------------------------------------------------

    async def silence(self, request: Request) -> Any:
        """Begin or end a silence."""
        session = _changing(request)
        asked = await _body(request, Silenced)
        if asked.ends:
            return await self._give(session, "silence", asked.ends, "end", {}, asked.comment, asked.id)
        args: dict[str, Any] = dict(asked.matchers.items())
        if asked.start is not None:
            args["from"] = asked.start
        if asked.until is None:
            raise Refusal(422, f"until: none; give ms since 1970, at most {silences.LIMIT_MS} after the start")
        args["until"] = asked.until
        return await self._give(session, "silence", "", "add", args, asked.comment, asked.id)

    async def budget(self, request: Request) -> Any:
        """Turn the dial of the alert budget."""
        session = _changing(request)
        asked = await _body(request, Turned)
        args = {"per_hour": asked.per_hour}
        return await self._give(session, "budget", dial.ITEM, "set", args, asked.comment, asked.id)

    async def _give(
        self, session: Session, about: Any, subject: str, do: str, args: dict[str, Any], comment: str, key: str | None
    ) -> Response:
        order = Order(
            id=key or uuid.uuid4().hex, about=about, subject=subject, do=do, by=session.user, at=_now(),
            role=cast(Role, session.role), comment=comment, args=args,
        )  # fmt: skip
        status, answer = await self._commands.give(order)
        return Response(answer, status, media_type=JSON)

    async def replay(self, request: Request, letter: str) -> Any:
        """Send a dead letter through the gateway again."""
        _changing(request)
        return await self._tools.ask("dead", "replay", "--json", "--", _letter(letter), good=(0, 1))

    async def adopt(self, request: Request) -> Any:
        """Register an unknown datastream, or tell what that would change (``dry_run``)."""
        _changing(request)
        asked = await _body(request, Adopted)
        registrar = await self._registrar()
        given = (asked.datastream, asked.kind, asked.lon, asked.lat, asked.name_en, asked.name_zh)
        try:
            if asked.dry_run:
                return {"changes": await asyncio.to_thread(registrar.would_adopt, *given)}
            change = await asyncio.to_thread(registrar.adopt, *given)
        except AdoptError as error:
            raise Refusal(422, str(error)) from error
        except (RegisterError, cities.CityError) as error:
            raise Refusal(503, str(error)) from error
        await self._store.forget_unknown(asked.datastream)
        return {"changes": [change]}

    # --- long work ------------------------------------------------------------------------------------------------

    async def jobs(self, request: Request) -> Any:
        """The work that was asked for, the newest first, without results."""
        _looking(request)
        return {"jobs": [msgspec.structs.replace(job, result=None) for job in self._jobs.listed()]}

    async def begin(self, request: Request) -> Any:
        """Begin a preview or a drill (who may change), or a check of the audit (who may read it)."""
        asked = await _body(request, Asked, TEXT_LIMIT)
        session = _auditing(request) if asked.what == VERIFY else _changing(request)
        words = await self._words(asked)
        good = (0, 1)  # a re-run that is refused, a broken history and a drill not passed are answers too
        told = {name: value for name, value in msgspec.to_builtins(asked).items() if value not in (None, "", False)}
        told.pop("text", None)
        try:
            return self._jobs.begin(asked.what, session.user, words, told, good)
        except Busy as error:
            raise Refusal(429, str(error)) from error

    async def job(self, request: Request, job: str) -> Any:
        """One job with its result."""
        _looking(request)
        found = self._jobs.find(job)
        if found is None or (found.what == VERIFY and not audits(session_of(request))):
            raise Refusal(404, f"there is no job {job}; it may be long over, or the wall was started again")
        return found

    async def stop(self, request: Request, job: str) -> Any:
        """Stop a job: one's own, or anybody's for those who may change."""
        session = _looking(request)
        found = self._jobs.find(job)
        if found is None:
            raise Refusal(404, f"there is no job {job}")
        if found.by != session.user and not changes(session):
            raise Refusal(403, f"this job is {found.by}'s; ask them, a planner or a supervisor")
        return await self._jobs.stop(job)

    async def _words(self, asked: Asked) -> tuple[str, ...]:
        """The command of a job; raises ``Refusal``."""
        if asked.what == VERIFY:
            return ("audit", "verify", "--json")
        if asked.what == PREVIEW:
            return await self._preview(asked)
        known = [row["drill"] for row in await asyncio.to_thread(seen.drills) if "refused" not in row]
        if asked.drill is None or asked.drill not in known:
            raise Refusal(422, f"drill: there is no sound drill {asked.drill}; there are {', '.join(known) or 'none'}")
        return ("drill", "run", asked.drill, "--json")

    async def _preview(self, asked: Asked) -> tuple[str, ...]:
        """The command of a re-run; raises ``Refusal`` where nothing is changed."""
        words = [] if asked.per_hour is None else [f"--per-hour={asked.per_hour:g}"]
        if asked.rule:
            words += await self._changed(asked, asked.rule)
        if asked.text:
            words.append(f"--pack={await asyncio.to_thread(self._file, asked.text)}")
        if not words:
            raise Refusal(422, "nothing is changed: give per_hour, a pack's text, or a rule with what is otherwise")
        span = {"from": asked.start, "to": asked.end}
        return ("rerun", *words, *(f"--{name}={value}" for name, value in span.items() if value), "--json")

    async def _changed(self, asked: Asked, rule: str) -> list[str]:
        known = {row["rule"]: row for row in seen.rules(await self._declared())}
        if rule not in known:
            raise Refusal(422, f"there is no rule {rule}; there are {', '.join(known)}")
        if asked.without:
            return [f"--without={rule}"]
        changed = {
            "expr": asked.expr, "clear": asked.clear, "for": asked.hold, "clear_for": asked.clear_hold,
            "severity": asked.severity,
        }  # fmt: skip
        if asked.line is not None:
            changed["line"] = f"{{{known[rule]['line_of']}: {asked.line:g}}}"
        return [f"--set={rule}.{key}={value}" for key, value in changed.items() if value]

    def _file(self, text: str) -> Path:
        """The text of a pack as a file; the last few are kept while their re-runs read them."""
        folder = self._settings.home / "previews"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.time_ns():020d}.yaml"
        path.write_text(text, "utf-8")
        for old in sorted(folder.glob("*.yaml"))[:-PREVIEWS]:
            old.unlink(missing_ok=True)
        return path

    # --- what it works with ---------------------------------------------------------------------------------------

    async def _declared(self) -> Any:
        return await asyncio.to_thread(seen.declared)

    async def _registrar(self) -> Registrar:
        watched = [one for _, pack in await self._declared() if isinstance(pack, packs.Pack) for one in pack.watched]
        return Registrar(self._settings.register, self._city, watched)


def changes(session: Session) -> bool:
    """Whether this one may change what planners change: with the right to plan or to lead."""
    return may(session.role, "plan") or may(session.role, "lead")


def audits(session: Session) -> bool:
    """Whether this one may read the audit."""
    return may(session.role, "audit") or may(session.role, "plan")


def _looking(request: Request) -> Session:
    session = session_of(request)
    if not may(session.role, "look"):
        raise Refusal(403, f"the role {session.role} does not see the planner's page")
    return session


def _changing(request: Request) -> Session:
    session = _looking(request)
    if not changes(session):
        raise Refusal(403, f"the role {session.role} may only look here; ask a planner, supervisor or admin")
    return session


def _auditing(request: Request) -> Session:
    session = _looking(request)
    if not audits(session):
        raise Refusal(403, f"the role {session.role} may not read the audit; ask an auditor, supervisor or planner")
    return session


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    if not given.isdecimal() or not 1 <= int(given) <= MOST_LINES:
        raise Refusal(422, f"limit {given[:20]!r} is outside 1..{MOST_LINES}")
    return int(given)


def _letter(name: str) -> str:
    if LETTER.fullmatch(name) is None:
        raise Refusal(404, f"there is no dead letter {name[:64]}")
    return name


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _body(request: Request, kind: type[T], most: int = BODY_LIMIT) -> T:
    return msgspec.json.decode(await limited(request, most), type=kind)


def _told(route: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Response]]:
    """The route with its answer as JSON, and with everything that can go wrong told as problem+json."""

    @functools.wraps(route)  # FastAPI reads the parameters of the route from its signature
    async def told(*given: Any, **named: Any) -> Response:
        try:
            body = await route(*given, **named)
        except Refusal as refusal:
            return problem(refusal.status, str(refusal))
        except msgspec.DecodeError as error:
            return problem(422, str(error))
        except TooLong:
            return problem(413, f"a request is longer than {BODY_LIMIT} bytes")
        except ClientDisconnect:
            return Response(status_code=499)
        except ToolError as error:
            return problem(502, str(error))
        except (Unavailable, RedisError, OSError) as error:
            away = problem(503, str(error) if isinstance(error, Unavailable) else f"the store is away: {error}")
            away.headers["retry-after"] = "2"
            return away
        if isinstance(body, Response):
            return body
        return Response(msgspec.json.encode(body), media_type=JSON, headers={"cache-control": "no-store"})

    return told
