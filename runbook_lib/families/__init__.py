"""Distributions as data: one module a family, no function of its own, no `if` on a distribution elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Release:
    """What one release of a family brings.

    Args:
        version_id: VERSION_ID of os-release(5).
        postfix: major.minor of its Postfix.
        main_cf: entries of main.cf that a chapter reads or writes, with the values that the package may leave
            (None: not set), the usual one first. An entry that is not here is not set by the package.
        saslauthd_variables: (name, line, why) wanted in the settings file of saslauthd; `{workers}` is filled in.
        saslauthd_left: the lines that the package leaves there, by name.
        saslauthd_drop_in: lines of the unit's drop-in, () where none is needed.
    """

    version_id: str
    postfix: str
    main_cf: Mapping[str, tuple[str | None, ...]]
    saslauthd_variables: tuple[tuple[str, str, str], ...]
    saslauthd_left: Mapping[str, str]
    saslauthd_drop_in: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """A family of distributions.

    Args:
        name: for a person.
        os_release_ids: values of ID (or in ID_LIKE) in os-release(5) that belong to it.
        postfix_chapter: the notebook that sets Postfix up here.
        packages: what chapter 2 needs.
        openssl_package: the package with the openssl command.
        key_directory, certificate_directory: where the document's files stay.
        smtpd_sasl_conf: what smtpd asks SASL for.
        pam_service: the file of PAM's service `smtp`.
        pam_lines: its lines after the one that keeps root out.
        master_cf_left: master.cf as the package leaves it.
        chroot: the fifth column of the new services in master.cf, 'y' or 'n'.
        saslauthd_defaults: its settings file.
        saslauthd_socket_directory: where smtpd sees the socket.
        saslauthd_group: who may open it, '' when everybody may.
        saslauthd_drop_in: path of the unit's drop-in.
        releases: what differs by release, by VERSION_ID.
    """

    name: str
    os_release_ids: frozenset[str]
    postfix_chapter: str
    packages: tuple[str, ...]
    openssl_package: str
    key_directory: PurePosixPath
    certificate_directory: PurePosixPath
    smtpd_sasl_conf: PurePosixPath
    pam_service: PurePosixPath
    pam_lines: tuple[str, ...]
    master_cf_left: PurePosixPath
    chroot: str
    saslauthd_defaults: PurePosixPath
    saslauthd_socket_directory: PurePosixPath
    saslauthd_group: str
    saslauthd_drop_in: PurePosixPath
    releases: Mapping[str, Release]
