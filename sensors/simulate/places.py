"""Where people gather in Chengdu: the hubs and town centres the simulator fills, with their rhythm.

Hub coordinates are WGS-84, rounded to about 50 m. Residents by district are those of the census of November 2020
in units of 10,000, rounded; they spread the cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensors.simulate.rhythm import AIRPORT, LEISURE, NIGHT, OFFICE, SCENIC, STATION

Floats = NDArray[np.float64]
METRES_A_DEGREE: Final = 111_195.0


@dataclass(frozen=True, slots=True)
class Hub:
    """A place that draws people; ``cameras`` and ``gates`` stand within ``radius_m`` of its middle."""

    id: str
    name_en: str
    name_zh: str
    lon: float
    lat: float
    radius_m: float
    profile: int
    cameras: int
    gates: int
    boost: float  # how many times the people of an ordinary place


HUBS: Final = (
    Hub("chunxi-road", "Chunxi Road", "春熙路", 104.0775, 30.6575, 420, LEISURE, 620, 30, 4.0),
    Hub("taikoo-li", "Taikoo Li", "太古里", 104.0812, 30.6535, 260, LEISURE, 320, 22, 3.5),
    Hub("tianfu-square", "Tianfu Square", "天府广场", 104.0633, 30.6575, 330, LEISURE, 420, 20, 2.5),
    Hub("kuanzhai-alley", "Kuanzhai Alley", "宽窄巷子", 104.0530, 30.6690, 260, SCENIC, 320, 24, 3.5),
    Hub("jinli", "Jinli Street", "锦里", 104.0450, 30.6455, 220, NIGHT, 240, 18, 3.0),
    Hub("wuhou-shrine", "Wuhou Shrine", "武侯祠", 104.0433, 30.6470, 240, SCENIC, 200, 14, 2.5),
    Hub("du-fu-cottage", "Du Fu Thatched Cottage", "杜甫草堂", 104.0240, 30.6610, 320, SCENIC, 180, 12, 2.0),
    Hub("wenshu-monastery", "Wenshu Monastery", "文殊院", 104.0690, 30.6755, 220, SCENIC, 180, 10, 2.0),
    Hub("peoples-park", "People's Park", "人民公园", 104.0555, 30.6590, 280, SCENIC, 200, 12, 2.0),
    Hub("jiuyan-bridge", "Jiuyan Bridge", "九眼桥", 104.0855, 30.6400, 300, NIGHT, 240, 10, 2.5),
    Hub("tower-339", "Tianfu Panda Tower", "天府熊猫塔", 104.0925, 30.6630, 280, NIGHT, 220, 12, 2.2),
    Hub("jinsha-site", "Jinsha Site Museum", "金沙遗址博物馆", 104.0080, 30.6830, 300, SCENIC, 160, 10, 1.8),
    Hub("panda-base", "Giant Panda Base", "大熊猫繁育研究基地", 104.1450, 30.7350, 700, SCENIC, 300, 24, 3.0),
    Hub("happy-valley", "Happy Valley", "欢乐谷", 104.0310, 30.7220, 380, SCENIC, 220, 16, 2.2),
    Hub("phoenix-hill", "Phoenix Hill Sports Park", "凤凰山体育公园", 104.0620, 30.7440, 500, LEISURE, 240, 20, 2.0),
    Hub("global-center", "New Century Global Center", "环球中心", 104.0575, 30.5710, 420, LEISURE, 360, 22, 2.8),
    Hub("financial-city", "Financial City", "金融城", 104.0590, 30.5880, 600, OFFICE, 420, 12, 2.5),
    Hub("software-park", "Tianfu Software Park", "天府软件园", 104.0640, 30.5420, 700, OFFICE, 420, 12, 2.5),
    Hub("dongan-lake", "Dong'an Lake Sports Park", "东安湖体育公园", 104.2870, 30.5600, 650, LEISURE, 220, 20, 1.8),
    Hub("north-station", "Chengdu Railway Station", "成都站", 104.0715, 30.6970, 320, STATION, 420, 16, 3.0),
    Hub("east-station", "Chengdu East Railway Station", "成都东站", 104.1365, 30.6305, 420, STATION, 560, 24, 4.0),
    Hub("south-station", "Chengdu South Railway Station", "成都南站", 104.0635, 30.6070, 320, STATION, 380, 16, 3.0),
    Hub("west-station", "Chengdu West Railway Station", "成都西站", 103.9770, 30.6900, 320, STATION, 260, 10, 2.0),
    Hub(
        "tianfu-airport", "Tianfu International Airport", "天府国际机场", 104.4420, 30.3130, 1400, AIRPORT, 420, 20, 2.8
    ),
    Hub("shuangliu-airport", "Shuangliu Airport", "双流国际机场", 103.9560, 30.5730, 1100, AIRPORT, 480, 20, 2.8),
    Hub("dujiangyan", "Dujiangyan Irrigation System", "都江堰景区", 103.6120, 31.0000, 600, SCENIC, 260, 18, 2.8),
    Hub("qingcheng", "Mount Qingcheng", "青城山", 103.5700, 30.9030, 700, SCENIC, 180, 14, 2.2),
    Hub("sichuan-university", "Sichuan University", "四川大学", 104.0790, 30.6330, 480, OFFICE, 260, 8, 1.8),
)

STATIONS: Final = ("chunxi-road", "tianfu-square", "north-station", "east-station", "south-station", "global-center")


@dataclass(frozen=True, slots=True)
class Town:
    """The built-up middle of a district: residents (10,000), middle and spread of the buildings in metres."""

    residents: float
    lon: float
    lat: float
    spread_m: float
    built: float  # share of the cameras in the town; the rest stands anywhere in the district


TOWNS: Final[dict[str, Town]] = {
    "510104": Town(90, 104.085, 30.645, 3_000, 0.6),  # Jinjiang
    "510105": Town(96, 104.045, 30.672, 3_000, 0.6),  # Qingyang
    "510106": Town(127, 104.050, 30.700, 3_500, 0.6),  # Jinniu
    "510107": Town(176, 104.055, 30.600, 5_000, 0.7),  # Wuhou, with the high-tech zone's residents
    "510108": Town(138, 104.110, 30.675, 3_500, 0.6),  # Chenghua
    "510112": Town(135, 104.260, 30.560, 4_500, 0.75),  # Longquanyi
    "510113": Town(49, 104.250, 30.880, 3_000, 0.7),  # Qingbaijiang
    "510114": Town(156, 104.140, 30.800, 5_000, 0.7),  # Xindu
    "510115": Town(97, 103.850, 30.690, 4_000, 0.75),  # Wenjiang
    "510116": Town(210, 104.010, 30.540, 6_500, 0.75),  # Shuangliu, with Tianfu New Area's residents
    "510117": Town(139, 103.920, 30.780, 5_000, 0.75),  # Pidu
    "510118": Town(36, 103.815, 30.415, 2_500, 0.65),  # Xinjin
    "510121": Town(80, 104.415, 30.860, 3_000, 0.55),  # Jintang
    "510129": Town(52, 103.520, 30.585, 2_500, 0.55),  # Dayi
    "510131": Town(26, 103.505, 30.195, 2_000, 0.55),  # Pujiang
    "510181": Town(71, 103.645, 30.990, 3_500, 0.6),  # Dujiangyan
    "510182": Town(78, 103.955, 30.985, 3_000, 0.55),  # Pengzhou
    "510183": Town(60, 103.465, 30.412, 2_500, 0.55),  # Qionglai
    "510184": Town(74, 103.672, 30.632, 3_000, 0.55),  # Chongzhou
    "510185": Town(112, 104.545, 30.405, 3_500, 0.5),  # Jianyang, with the eastern new area
}
CENTRE: Final = (104.0650, 30.6575)  # where the rings of the city meet


def metres_between(lon: Floats, lat: Floats, lon0: float, lat0: float) -> Floats:
    """Distances to one point in metres, on a plane: right to 0.1 % within the city."""
    east = (lon - lon0) * np.cos(np.radians(lat0)) * METRES_A_DEGREE
    return np.hypot(east, (lat - lat0) * METRES_A_DEGREE)


def nearest_hub(lon: Floats, lat: Floats) -> tuple[NDArray[np.int64], Floats]:
    """For each point: the hub whose edge is nearest, and the distance to its middle in its radii; -1 beyond 1.3."""
    hub = np.full(len(lon), -1, np.int64)
    radii = np.full(len(lon), 1.3)
    for number, place in enumerate(HUBS):
        apart = metres_between(lon, lat, place.lon, place.lat) / place.radius_m
        nearer = apart < radii
        hub[nearer] = number
        radii[nearer] = apart[nearer]
    return hub, radii
