"""Of a notebook's output a page keeps links and embedded pictures; nothing in it is a document of its own."""

import pytest

from runbook_lib.records.notebook_page import clean_html

PICTURE = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "address", ["https://www.example.jp/", "http://www.example.jp/", "mailto:a@example.jp"]
)
def test_a_link_is_kept(address: str) -> None:
    assert f'href="{address}"' in clean_html(f'<a href="{address}">there</a>')


@pytest.mark.parametrize(
    "address", ["data:text/html,x", "DATA:text/html,x", " data:text/html,x", "javascript:alert(1)"]
)
def test_a_link_that_is_a_document_of_its_own_leads_nowhere(address: str) -> None:
    assert clean_html(f'<a href="{address}">there</a>') == "<a>there</a>"


def test_a_picture_is_kept_where_it_is_embedded_and_only_there() -> None:
    assert PICTURE in clean_html(f'<img alt="dot" src="{PICTURE}">')
    for address in ("https://www.example.jp/dot.png", "data:text/html,x"):
        assert clean_html(f'<img alt="dot" src="{address}">') == '<img alt="dot">'
