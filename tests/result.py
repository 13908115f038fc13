"""All that one request brought, as a value: the reply, and what iopub said with this parent up to idle."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox import Json


@dataclass(slots=True)
class Result:
    """All that one request brought: the reply, and what iopub said with this parent up to idle."""

    request: Json
    reply: Json
    iopub: list[Json] = field(default_factory=list)

    @property
    def content(self) -> Json:
        content: Json = self.reply["content"]
        return content

    @property
    def status(self) -> str:
        return str(self.content["status"])

    @property
    def types(self) -> list[str]:
        """The types of the iopub messages, in order, with busy and idle in place of `status`."""
        return [m["content"]["execution_state"] if m["msg_type"] == "status" else m["msg_type"] for m in self.iopub]

    def of_type(self, *types: str) -> list[Json]:
        """The contents of the iopub messages of `types`, in order."""
        return [m["content"] for m in self.iopub if m["msg_type"] in types]

    def text(self, name: str) -> str:
        return "".join(content["text"] for content in self.of_type("stream") if content["name"] == name)

    @property
    def stdout(self) -> str:
        return self.text("stdout")

    @property
    def stderr(self) -> str:
        return self.text("stderr")

    @property
    def error(self) -> Json | None:
        """Content of the iopub error, None if there was none."""
        errors = self.of_type("error")
        assert len(errors) < 2, errors
        return errors[0] if errors else None

    @property
    def ename(self) -> str | None:
        """Name of the iopub error, None if there was none."""
        return self.error["ename"] if self.error else None

    @property
    def result(self) -> Json | None:
        """The mime bundle of execute_result, None if there was none."""
        results = self.of_type("execute_result")
        assert len(results) < 2, results
        return results[0]["data"] if results else None

    @property
    def displays(self) -> list[Json]:
        """Contents of display_data and update_display_data."""
        return self.of_type("display_data", "update_display_data")
