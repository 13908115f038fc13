from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kernelet.service.settings import Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith(("KERNELET_", "JUPYTER_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_our_variables_have_our_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELET_PORT", "8888")
    monkeypatch.setenv("KERNELET_PRELOAD", "numpy, pandas")
    settings = Settings()
    assert (settings.port, settings.preload) == (8888, ["numpy", "pandas"])


@pytest.mark.parametrize(
    "name, value, attribute, expected",
    [
        ("JUPYTER_SERVER_URL", "http://elsewhere:1", "server_url", "http://elsewhere:1"),
        ("JUPYTER_TOKEN", "secret", "backend_token", "secret"),
        ("JUPYTER_TIMEOUT_CONNECT", "1.5", "timeout_connect", 1.5),
        ("JUPYTER_TIMEOUT_TOTAL", "2.5", "timeout_total", 2.5),
        ("JUPYTER_CRASH_SLEEP_DURATION", "3", "crash_sleep_duration", 3.0),
        ("JUPYTER_LOG_LEVEL", "WARN", "log_level", "WARNING"),
    ],
)
def test_the_proxys_variables_are_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, attribute: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(Settings(), attribute) == expected


def test_our_variable_wins_over_the_proxys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_SERVER_URL", "http://theirs")
    monkeypatch.setenv("KERNELET_SERVER_URL", "http://ours")
    assert Settings().server_url == "http://ours"


def test_a_variable_without_prefix_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_URL", "http://somebody")
    monkeypatch.setenv("TOKEN", "somebody's")
    monkeypatch.setenv("PORT", "1")
    assert (Settings().server_url, Settings().token, Settings().port) == ("http://127.0.0.1:8888", "", 8000)


def test_the_proxys_token_is_for_the_backend_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "backend")
    assert Settings().token == ""


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KERNELET_TIMEOUT_DEFAULT=7\nJUPYTER_TOKEN=x\nOTHER=1\n")
    assert (Settings().timeout_default, Settings().backend_token) == (7.0, "x")


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_SERVER_URL", "http://environment")
    assert Settings(server_url="http://argument").server_url == "http://argument"


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(ValidationError, match="log_level"):
        Settings(log_level="LOUD")  # type: ignore[arg-type]


def test_one_kernel_needs_no_zygote_unless_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Settings(_env_file=None).without_zygote().zygote  # type: ignore[call-arg]
    monkeypatch.setenv("KERNELET_ZYGOTE", "1")
    assert Settings(_env_file=None).without_zygote().zygote  # type: ignore[call-arg]


def test_defaults_are_those_of_the_design() -> None:
    chosen = Settings().model_dump()
    defaults = {
        "host": "127.0.0.1", "port": 8000, "token": "", "backend": "local", "backend_token": "",
        "timeout_connect": 10.0, "timeout_total": 30.0, "crash_sleep_duration": 30.0,
        "timeout_default": 30.0, "timeout_oneshot": 300.0, "timeout_repl": 55.0, "timeout_max": 3600.0,
        "interrupt_grace": 2.0, "kill_grace": 1.0, "startup_timeout": 30.0, "ping_interval": 5.0,
        "max_output_chars": 10_000, "max_output_bytes": 50_000_000, "max_image_bytes": 256 * 1024,
        "max_image_side": 1568, "max_images": 20, "max_code_bytes": 1_000_000,
        "max_sessions": 64, "queue_depth": 128, "max_concurrent_oneshot": 8, "idle_timeout": 1800.0,
        "max_lifetime": 0.0, "max_recoveries": 3, "auto_recover": "notice",
        "memory_mb": 4096, "cpu_seconds": 0, "nproc": 256, "fsize_mb": 1024, "nofile": 1024, "isolation": "none",
        "stdlib_path": Path("private/repl_stdlib.py"),
        "zygote": True, "preload": ["numpy", "pandas", "matplotlib.pyplot"], "log_level": "INFO", "log_code": False,
    }  # fmt: skip
    assert {name: chosen[name] for name in defaults} == defaults
