"""The capture that chapter 0 shows, made anew: before, the password can be read; after, it is nowhere."""

import base64
import json

from lab import Lab, capture

LOGIN = base64.b64encode(f"\0{capture.USER}\0{capture.PASSWORD}".encode())


def readable(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["sender"], line["shown"]) for line in lines if line["readable"]]


def test_the_stored_capture_is_what_is_seen_today(lab: Lab) -> None:
    before, after = capture.capture(lab, lambda _: None)
    for name, captured in (("before", before), ("after", after)):
        stored = json.loads((capture.FOLDER / f"{name}.json").read_bytes())
        assert readable(captured.lines()) == readable(stored)
    assert LOGIN in before.bytes_of("client")
    for secret in (LOGIN, capture.PASSWORD.encode(), capture.USER.encode()):
        assert secret not in after.bytes_of("client") + after.bytes_of("server")
    assert after.lines()[-1]["readable"] is False
    assert b"STARTTLS" in after.bytes_of("client")
