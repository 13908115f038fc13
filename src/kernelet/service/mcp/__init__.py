"""The service as an MCP server: the `ipython` tool and the REPL tools, over stdio and over HTTP."""
