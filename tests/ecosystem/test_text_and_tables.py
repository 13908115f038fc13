"""Progress bars, coloured text and data frames: packages that ask themselves whether they run in a notebook."""

from __future__ import annotations

from cells import value
from frontend import Frontend
from needs import need_module

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def test_tqdm_auto_chooses_the_notebooks_bar(kernel: Frontend) -> None:
    need_module("tqdm")
    need_module("ipywidgets")
    result = kernel.execute("from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass")
    assert [WIDGET_VIEW in content["data"] for content in result.displays] == [True]
    assert {content["target_name"] for content in result.of_type("comm_open")} == {"jupyter.widget"}
    assert result.stderr == ""


def test_tqdm_writes_its_text_bar_to_the_cell(kernel: Frontend) -> None:
    need_module("tqdm")
    result = kernel.execute("from tqdm import tqdm\nfor _ in tqdm(range(3)): pass")
    assert "3/3" in result.stderr
    assert result.stdout == ""


def test_rich_knows_the_notebook(kernel: Frontend) -> None:
    need_module("rich")
    result = kernel.execute(
        "from rich import print\nfrom rich.table import Table\nprint('[red]text[/red]', Table('head'))"
    )
    assert [sorted(content["data"]) for content in result.displays] == [["text/html", "text/plain"]]
    assert value(kernel, "from rich.console import Console\nConsole().is_jupyter") == "True"


def test_rich_progress_updates_one_display(kernel: Frontend) -> None:
    need_module("rich")
    need_module("ipywidgets")
    result = kernel.execute("from rich.progress import track\nfor _ in track(range(3)): pass")
    assert result.status == "ok"
    assert any(content["target_name"] == "jupyter.widget" for content in result.of_type("comm_open"))


def test_pandas_and_polars_show_html(kernel: Frontend) -> None:
    for package in ("pandas", "polars"):
        need_module(package)
        result = kernel.execute(f"import {package}\n{package}.DataFrame({{'a': [1.5, float('nan')]}})")
        assert result.result is not None
        assert "<table" in result.result["text/html"]
        assert "text/plain" in result.result
