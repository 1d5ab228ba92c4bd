"""The kinds of value that an inventory has: paths, names, addresses; each in its one spelling, or refused in words."""

import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from runbook_lib.credentials import SecretRef
from runbook_lib.inventory import names
from runbook_lib.messages import message


def _local_path(text: str, info: ValidationInfo) -> str:
    """Expand `~`, and a relative path from the inventory file's folder (never the working directory)."""
    if not text or "\0" in text:
        raise ValueError(message("is empty; expected a path"))
    folder: Path = info.context["folder"] if info.context else Path()
    return os.path.normpath(folder / Path(text).expanduser())


def _local_reference(reference: str, info: ValidationInfo) -> str:
    """The path of a `file:` reference, expanded as other paths are."""
    path = reference.removeprefix("file:")
    if path == reference or path.startswith("${"):
        return reference
    return f"file:{_local_path(path, info)}"


def _bare_file_name(text: str) -> str:
    if "/" in text:
        raise ValueError(
            message(
                "has a '/'; expected a file name alone (the folder is the distribution's, an absolute "
                "one: Postfix would look for a relative path elsewhere, and TLS be off); write {name}",
                name=Path(text).name,
            )
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise ValueError(
            message(
                "is not a plain file name; expected letters, digits, '.', '_' and '-', first a letter or "
                "digit"
            )
        )
    return text


def _login(text: str) -> str:
    if not text or text.startswith("-") or re.search(r"[\s\0:/]", text):
        raise ValueError(
            message("is not the name of an account; expected one without blanks, ':' and '/', such as kanri")
        )
    return text


def _jump_hosts(text: str) -> str:
    for jump in text.split(","):
        # Without a user it is the name of a host of the inventory, which `load` looks up.
        match = re.fullmatch(
            r"(?:[^\s@:/,-][^\s@:/,]*@)?([^\s@:,[-][^\s@:,]*|\[[0-9a-fA-F:.]+\])(:\d+)?", jump
        )
        if match is None or ("@" not in jump and jump != text) or ("@" not in jump and match[2]):
            raise ValueError(
                message(
                    "has '{jump}'; expected a host of this inventory, or user@host:port, several with commas "
                    "between, the nearest first",
                    jump=jump,
                )
            )
    return text


def _realm(text: str) -> str:
    if re.search(r"[\s\0@]", text):
        raise ValueError(
            message("has a blank or an '@'; expected the part behind the '@', such as example.jp, or nothing")
        )
    return text


def _day(text: str) -> str:
    try:
        same = date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise ValueError(
            message("is '{text}', which is no day; expected year, month, day, such as 2027-01-15", text=text)
        )
    return text


def _serial(text: str) -> str:
    if not re.fullmatch(r"([0-9A-F]{2}){1,20}", text):
        raise ValueError(
            message(
                "is '{text}', which is no serial; expected upper-case hexadecimal digits, as runbook ca "
                "list has it",
                text=text,
            )
        )
    return text


def all_different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list without a value that stands in it twice."""
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise ValueError(message("has {twice} twice; expected each once", twice=twice))
    return values


LocalPath = Annotated[str, AfterValidator(_local_path)]
Reference = Annotated[SecretRef, AfterValidator(_local_reference)]
DnsName = Annotated[str, AfterValidator(names.full_dns_name)]
Address = Annotated[str, AfterValidator(names.ssh_destination)]
IpAddress = Annotated[str, AfterValidator(names.ip_address)]
CertificateName = Annotated[str, AfterValidator(names.certificate_name)]
FileName = Annotated[str, AfterValidator(_bare_file_name)]
Day = Annotated[str, AfterValidator(_day)]
Serial = Annotated[str, AfterValidator(_serial)]
Login = Annotated[str, AfterValidator(_login)]
Port = Annotated[int, Field(ge=1, le=65535)]
Jump = Annotated[str, AfterValidator(_jump_hosts)]
Realm = Annotated[str, AfterValidator(_realm)]
