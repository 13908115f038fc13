"""A kernel and its client in one process and one thread, without sockets: the names of `ipykernel.inprocess`.

`client.execute(code)` runs the code before it returns, in the thread that calls: a GUI program that shows a console on
its own objects (qtconsole's `QtInProcessKernelManager`) wants just that. qtconsole finds these classes when
`sys.modules["ipykernel.inprocess"]` and `["ipykernel.inprocess.channels"]` are `kernelet.inprocess` and its `channels`.
"""

from __future__ import annotations

from .blocking import BlockingInProcessKernelClient
from .channels import InProcessChannel, InProcessHBChannel
from .client import InProcessKernelClient
from .kernel import InProcessKernel
from .manager import InProcessKernelManager

__all__ = [
    "BlockingInProcessKernelClient",
    "InProcessChannel",
    "InProcessHBChannel",
    "InProcessKernel",
    "InProcessKernelClient",
    "InProcessKernelManager",
]
