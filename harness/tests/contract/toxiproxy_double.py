"""A double of the Toxiproxy server: ``toxiproxy_double.py -host HOST -port PORT``.

For machines that have no Toxiproxy. It serves as much of the API as the harness uses, and delays
downstream. It is no Toxiproxy: it delays one piece after the other instead of all at once, and keeps
no toxic but latency.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys


class Proxy:
    """One port in front of another."""

    def __init__(self, told: dict[str, object]) -> None:
        self.told, self.toxics = told, list[dict[str, object]]()

    async def listen(self) -> None:
        """Serve from now on."""
        host, port = str(self.told["listen"]).split(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = str(self.told["upstream"]).split(":")
        try:
            back, forth = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pipe(reader, forth, 0.0), _pipe(back, writer, self._seconds()))

    def _seconds(self) -> float:
        found = [toxic["attributes"] for toxic in self.toxics]
        return sum(float(one["latency"]) for one in found if isinstance(one, dict)) / 1e3


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            await asyncio.sleep(seconds)
            writer.write(data)
            await writer.drain()
    writer.close()


PROXIES: dict[str, Proxy] = {}


async def _answered(path: str, body: bytes) -> object:
    if path == "/proxies" and body:
        proxy = Proxy(json.loads(body))
        await proxy.listen()
        PROXIES[str(proxy.told["name"])] = proxy
        return proxy.told
    if path.endswith("/toxics"):
        PROXIES[path.split("/")[2]].toxics.append(json.loads(body))
        return {}
    return {name: {**proxy.told, "toxics": proxy.toxics} for name, proxy in PROXIES.items()}


async def _api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
    found = json.dumps(await _answered(head.split()[1], await reader.readexactly(length))).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(found) + found)
    await writer.drain()
    writer.close()


async def _serve(host: str, port: int) -> None:
    async with await asyncio.start_server(_api, host, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write("toxiproxy-server version double\n")
    else:
        asyncio.run(_serve(sys.argv[2], int(sys.argv[4])))
