"""Settings of the service: `KERNELET_*`, in the environment or in `.env`; the proxy's `JUPYTER_*` names are aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

Isolation = Literal["none", "net", "full"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Names = Annotated[list[str], NoDecode]
"""A list that the environment writes with commas."""


def _also(own: str, other: str) -> AliasChoices:
    """Accept our own variable, then the proxy's: the first that is set wins. (An alias knows no prefix.)"""
    return AliasChoices(f"kernelet_{own}", other)


class Settings(BaseSettings):
    """What an operator can choose. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix="KERNELET_", env_file=".env", extra="ignore", populate_by_name=True, validate_default=True
    )

    # The server
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: str = ""
    """What every request but GET /health must show. Empty: `kernelet serve` makes one and prints it."""
    insecure_no_auth: bool = False
    allowed_hosts: Names = []
    """Values of `Host` that are served beside loopback names and the bound address; `*` is any."""
    allowed_origins: Names = []
    """Values of `Origin` that a browser may send, beside those of this server itself."""
    max_code_bytes: int = 1_000_000

    # The backend
    backend: Literal["local", "remote"] = "local"
    kernel_name: str = ""
    """The kernelspec. Empty: kernelet's own locally, the server's default remotely."""
    server_url: str = Field(default="http://127.0.0.1:8888", validation_alias=_also("server_url", "jupyter_server_url"))
    backend_token: str = Field(default="", validation_alias=_also("backend_token", "jupyter_token"))
    timeout_connect: float = Field(
        default=10.0, gt=0, validation_alias=_also("timeout_connect", "jupyter_timeout_connect")
    )
    timeout_total: float = Field(default=30.0, gt=0, validation_alias=_also("timeout_total", "jupyter_timeout_total"))
    crash_sleep_duration: float = Field(
        default=30.0, ge=0, validation_alias=_also("crash_sleep_duration", "jupyter_crash_sleep_duration")
    )
    """The longest pause between two attempts to reach a remote server again; the first is a fraction of a second."""

    # Time
    timeout_default: float = Field(default=30.0, gt=0)
    timeout_oneshot: float = Field(default=300.0, gt=0)
    timeout_repl: float = Field(default=55.0, gt=0)
    timeout_max: float = Field(default=3600.0, gt=0)
    interrupt_grace: float = Field(default=2.0, gt=0)
    """How long an interrupted cell may take to end before it is interrupted once more."""
    kill_grace: float = Field(default=1.0, gt=0)
    """How long it may take after that before the process tree is killed."""
    startup_timeout: float = Field(default=30.0, gt=0)
    ping_interval: float = Field(default=5.0, gt=0)

    # Output
    max_output_chars: int = Field(default=10_000, ge=100)
    """Of stdout, of stderr, and of each text result: the rest goes to a file."""
    max_output_bytes: int = Field(default=50_000_000, ge=1000)
    """Of one execution: beyond it the execution is interrupted."""
    max_image_bytes: int = Field(default=256 * 1024, ge=1024)
    max_image_side: int = Field(default=1568, ge=16)
    max_images: int = Field(default=20, ge=0)

    # How many, how long
    max_sessions: int = Field(default=64, ge=1)
    queue_depth: int = Field(default=128, ge=1)
    max_concurrent_oneshot: int = Field(default=8, ge=1)
    idle_timeout: float = Field(default=1800.0, ge=0)
    """A session that has not executed for so long is destroyed, unless it is busy; 0 is never."""
    max_lifetime: float = Field(default=0.0, ge=0)
    auto_recover: Literal["notice", "run"] = "notice"
    """What a call does that finds the kernel dead: say so and run nothing, or run in the new kernel."""
    max_recoveries: int = Field(default=3, ge=0)
    """How often a session's kernel is replaced without one completed cell between."""

    # Safety
    memory_mb: int = Field(default=4096, ge=0)
    cpu_seconds: int = Field(default=0, ge=0)
    nproc: int = Field(default=256, ge=0)
    fsize_mb: int = Field(default=1024, ge=0)
    nofile: int = Field(default=1024, ge=0)
    isolation: Isolation = "none"
    work_dir: Path | None = None
    """Where sessions run: each gets a folder of its own below. None: a temporary folder, removed at the end."""
    upload_dir: Path | None = None
    output_dir: Path | None = None
    snapshot_dir: Path = Path("snapshots")
    stdlib_path: Path = Path("private/repl_stdlib.py")

    # Starting
    zygote: bool = True
    preload: Names = ["numpy", "pandas", "matplotlib.pyplot"]

    # Logs
    log_level: LogLevel = Field(default="INFO", validation_alias=_also("log_level", "jupyter_log_level"))
    log_code: bool = False

    @property
    def max_message_bytes(self) -> int:
        """Beyond this a message of a kernel is refused: code can send what it likes, and it would be here in whole."""
        return self.max_output_bytes + (16 << 20)  # JSON takes more room than what it says

    def without_zygote(self) -> Self:
        """Return the same for a program with one kernel: a zygote pays from the second on, unless one is wanted."""
        return self if "zygote" in self.model_fields_set else self.model_copy(update={"zygote": False})

    @field_validator("allowed_hosts", "allowed_origins", "preload", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level(cls, value: Any) -> Any:
        """Take the proxy's spelling, `WARN`, and lower case."""
        name = str(value).upper()
        return "WARNING" if name == "WARN" else name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the secrets folder: arguments, environment, `.env`."""
        return init_settings, env_settings, dotenv_settings
