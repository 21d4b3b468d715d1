"""Settings from the environment (``CITYBRAIN_*``) and where things lie below the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings of a process; each has its ``CITYBRAIN_`` variable.

    ``kafka`` (bootstrap servers) and ``redis`` (URL) unset mean the embedded ones, which only ``demo`` and
    ``run all`` start.
    """

    model_config = SettingsConfigDict(env_prefix="CITYBRAIN_", frozen=True, extra="ignore")

    city: str = "chengdu"
    data: Path = Path("data")
    cities: Path | None = None  # a folder of one's own city packs, looked into before the shipped ones
    kafka: str | None = None
    redis: SecretStr | None = None
    mqtt: SecretStr | None = None  # mqtt://user:password@host:1883; None: no MQTT door
    mqtt_group: str = "citybrain"  # doors of one group share the load of a subscription
    mqtt_version: Literal["3.1.1", "5"] = "5"
    poll_token: SecretStr | None = None  # with which `run poll` hands on what servers answer
    host: str = "127.0.0.1"
    gateway_port: int = 8060
    wall_port: int = 8050
    session_h: float = Field(default=12.0, gt=0, le=168)  # a login at the wall ends after this,
    session_idle_min: float = Field(default=240.0, gt=0)  # or when nobody was there for this
    # the limits of the gateway's door
    body_limit_bytes: int = 8 * 1024 * 1024
    batch_limit: int = 20_000  # readings in one request
    rate_limit: int = 50_000  # readings a second and gateway
    spool_limit_bytes: int = 1024 * 1024 * 1024
    linger_ms: int = 20
    unknown: Literal["quarantine", "refuse"] = "quarantine"  # what becomes of datastreams that nobody registered
    certificate_header: str | None = None  # in which the proxy tells the SHA-256 of the client's certificate (mTLS)
    future_tolerance_s: int = 60
    # what operators can deal with; holds until somebody turns the dial (POST /v1/budget)
    alerts_per_hour: float = Field(default=6.0, ge=0, le=1000)
    # how often a shard's state is saved with its offset
    snapshot_s: float = 30.0
    archive_flush_s: float = 20.0
    archive_flush_rows: int = 500_000
    # so often the archive role puts small files together, makes pictures for replays and lets old days go; 0: never
    archive_tidy_min: float = Field(default=10.0, ge=0)
    # whole days of the archive that are over go to an object store, s3://bucket/prefix, after so many days; "": never
    archive_s3: str = ""
    archive_local_days: int = Field(default=2, ge=1)
    archive_keep: str = ""  # readings=90d,audit=3650d …; what is not named is kept
    picture_ms: int = 100
    # how often the archive role has the forecasts' trees taught anew; 0: never
    train_every_h: float = Field(default=24.0, ge=0)
    metrics_port: int = 0  # 0 = no metrics page for this process

    @property
    def home(self) -> Path:
        """The folder of this city: register, state, archive, spool, secrets."""
        return self.data / self.city

    @property
    def register(self) -> Path:
        """The register's file."""
        return self.home / "register.parquet"

    @property
    def state(self) -> Path:
        """Where the engines' snapshots lie."""
        return self.home / "state"

    @property
    def archive(self) -> Path:
        """The Parquet archive."""
        return self.home / "archive"

    @property
    def trained(self) -> Path:
        """What was learned from the archive: versions of the forecasts' trees, and days rolled up for them."""
        return self.home / "trained"

    @property
    def spool(self) -> Path:
        """What waits on disk for the broker."""
        return self.home / "spool"

    @property
    def secrets(self) -> Path:
        """Tokens, accounts and keys; readable by the owner alone."""
        return self.home / "secrets"
