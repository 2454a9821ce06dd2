"""DNS over HTTPS (RFC 8484) as a server speaks it: POST over HTTP/2, any number of questions on one connection."""

import asyncio
from collections.abc import Awaitable, Callable

import h2.config
import h2.connection
import h2.events
import h2.exceptions

__all__ = ["serve"]

_TYPE = "application/dns-message"


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, answer: Callable[[bytes], Awaitable[bytes | None]]
) -> None:
    """One connection, to its end. `answer` makes a DNS response of a question; `None` leaves the client waiting."""
    http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    http.initiate_connection()
    bodies: dict[int, bytes] = {}
    heads: dict[int, dict[str, str]] = {}
    while True:
        writer.write(http.data_to_send())
        await writer.drain()
        data = await reader.read(65536)
        if not data:
            return
        try:
            events = http.receive_data(data)
        except h2.exceptions.ProtocolError:  # a client that speaks something else
            return
        for event in events:
            match event:
                case h2.events.RequestReceived(stream_id=int(stream), headers=headers):
                    heads[stream], bodies[stream] = {str(name): str(value) for name, value in headers or ()}, b""
                case h2.events.DataReceived(stream_id=int(stream), data=bytes(part)):
                    bodies[stream] += part
                    http.acknowledge_received_data(len(part), stream)
                case h2.events.StreamEnded(stream_id=int(stream)):
                    await _reply(http, stream, heads.pop(stream), bodies.pop(stream), path, answer)


async def _reply(
    http: h2.connection.H2Connection,
    stream: int,
    head: dict[str, str],
    body: bytes,
    path: str,
    answer: Callable[[bytes], Awaitable[bytes | None]],
) -> None:
    if (head[":method"], head[":path"], head.get("content-type")) != ("POST", path, _TYPE):
        http.send_headers(stream, [(":status", "404")], end_stream=True)
        return
    response = await answer(body)
    if response is not None:
        http.send_headers(stream, [(":status", "200"), ("content-type", _TYPE), ("content-length", str(len(response)))])
        http.send_data(stream, response, end_stream=True)
