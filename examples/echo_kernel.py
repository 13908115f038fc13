"""A kernel for a language of three words, in thirty lines: `python examples/echo_kernel.py -f connection.json`.

To install it, write {"argv": ["python", "/where/it/is/echo_kernel.py", "-f", "{connection_file}"], "language": "echo",
"display_name": "Echo"} into echo/kernel.json and run `jupyter kernelspec install echo --user`.
"""

from __future__ import annotations

import subprocess

from kernelet import LanguageKernel

WORDS = ("ask", "run", "shout")


class Echo(LanguageKernel):
    info = {"implementation": "echo", "language_info": {"name": "echo", "version": "1.0", "file_extension": ".echo"}}

    def run(self, code: str) -> object:
        word, _, rest = code.partition(" ")
        if word == "shout":
            return {"text/plain": rest.upper(), "text/html": f"<b>{rest.upper()}</b>"}
        if word == "ask":
            print("the answer is", self.ask(rest))
        elif word == "run":
            subprocess.run(rest, shell=True, check=True)
        else:
            print(code)
        return None

    def complete_code(self, code: str, cursor: int) -> tuple[list[str], int, int]:
        return [word for word in WORDS if word.startswith(code[:cursor])], 0, cursor


if __name__ == "__main__":
    Echo.main()
