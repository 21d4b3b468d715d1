"""What cameras see, in one vocabulary: kinds of objects and how many of each, whatever the vendor calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sensors.codecs.values import Observation, Scene, Seen

KINDS: dict[str, str] = {
    **dict.fromkeys(("human", "person", "people", "pedestrian", "humanbody", "body"), "people"),
    **dict.fromkeys(("face", "humanface"), "faces"),
    **dict.fromkeys(("vehicle", "vehical", "motorvehicle"), "vehicles"),
    **dict.fromkeys(("car", "automobile"), "cars"),
    **dict.fromkeys(("truck", "lorry", "van"), "trucks"),
    **dict.fromkeys(("bus", "coach"), "buses"),
    **dict.fromkeys(("bike", "bicycle", "cyclist"), "bicycles"),
    **dict.fromkeys(("motorcycle", "motorbike", "scooter", "twowheeler"), "motorcycles"),
    **dict.fromkeys(("licenseplate", "plate", "numberplate"), "plates"),
    **dict.fromkeys(("animal", "dog", "cat"), "animals"),
    **dict.fromkeys(("bag", "backpack", "suitcase", "luggage"), "bags"),
}
VEHICLES = {"vehicles", "cars", "trucks", "buses", "motorcycles"}
PARTS = {"faces", "plates"}  # of an object that is counted already
ALWAYS = ("people", "vehicles", "objects")  # told of every scene, also when there are none


def kind_of(told: str) -> str:
    """The kind that a vendor's class name means; the name itself in small letters where it is not known."""
    plain = "".join(letter for letter in told.lower() if letter.isalnum())
    return KINDS.get(plain, plain[:40])


def counts(scene: Scene) -> list[Observation]:
    """How many objects of each kind the scene has: ``<asset>/people``, ``/vehicles``, ``/objects`` and other kinds.

    Faces and plates are parts of objects and are not counted among ``objects``. All but people are optional.
    """
    seen = Counter(one.kind for one in scene.objects if one.kind)
    told = {
        "people": seen["people"],
        "vehicles": sum(seen[kind] for kind in VEHICLES),
        "objects": sum(1 for one in scene.objects if one.kind not in PARTS),
    }
    told |= {kind: count for kind, count in seen.items() if kind not in told}
    return [
        Observation(
            datastream=f"{scene.asset}/{kind}",
            asset=scene.asset,
            property=kind,
            time=scene.time,
            value=float(count),
            unit="1",
            optional=kind != "people",
        )
        for kind, count in told.items()
    ]


def joined(scenes: Iterable[Scene]) -> list[Scene]:
    """Scenes of the same time and source as one: some cameras send each object as a frame of its own."""
    together: dict[tuple[str, int, str], list[Seen]] = {}
    for scene in scenes:
        together.setdefault((scene.asset, scene.time, scene.source), []).extend(scene.objects)
    return [
        Scene(
            asset=asset, time=time, source=source, objects=tuple({one.id or id(one): one for one in objects}.values())
        )
        for (asset, time, source), objects in together.items()
    ]


def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    """The box with its sides in order and within the picture."""
    xs, ys = sorted((left, right)), sorted((top, bottom))
    low_x, high_x = (min(max(x, 0.0), 1.0) for x in xs)
    low_y, high_y = (min(max(y, 0.0), 1.0) for y in ys)
    return low_x, low_y, high_x, high_y
