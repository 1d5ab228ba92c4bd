"""What a distribution, a release of it and a package manager are: the questions that their data answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True)
class PackageManager:
    """A package manager as commands; `{names}` in them stands for names of packages.

    Args:
        command: the program that a host has where this one is used.
        installed: prints those of the packages that are installed, one a line.
        versions: prints 'NAME: VERSION' for each of the packages that is installed.
        candidate: prints 'NAME: VERSION' for each that could be installed, from lists that are on the host already;
            writes nothing.
        refused: prints why those that are known from such lists would not be installed, and which are on hold;
            '' where that cannot be asked without a change. Writes nothing.
        refresh: brings those lists up to date, where that is a command of its own; else ''.
        install: installs the packages, nothing that is only recommended, and asks nothing.
        functions: the file of remote/ whose functions put packages back.
        unfinished: prints something where an install was cut off; '' where the package manager needs no help then.
        complete: completes it.
        broken: prints packages that an earlier install left half made, for `runbook doctor`; '' as above.
        mend: what a person types then, '' as above.
        sources: prints where packages come from, `scheme://host[:port]` or a path, one a line; a proxy alone where
            there is one. Fetches nothing, and needs no root.
        locks: the files that it locks while it is at work, as words of a shell.
        rivals: prints installed mail servers that would be removed where Postfix is installed; '' where none would.
    """

    command: str
    installed: str
    versions: str
    candidate: str
    refresh: str
    install: str
    functions: str
    sources: str
    locks: str
    unfinished: str = ""
    complete: str = ""
    broken: str = ""
    mend: str = ""
    rivals: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Release:
    """What one release of a family brings.

    Args:
        version_id: VERSION_ID of os-release(5).
        postfix: major.minor of its Postfix.
        main_cf: entries of main.cf that a chapter reads or writes, with the values that the package may leave
            (None: not set), the usual one first. An entry that is not here is not set by the package.
        saslauthd_variables: (name, line, why) wanted in the settings file of saslauthd; `{workers}` is filled in,
            and `{whole_name}` with the option that hands PAM a login name with its realm, where there is one.
        saslauthd_left: the lines that the package leaves there, by name.
        saslauthd_drop_in: lines of the unit's drop-in, () where none is needed.
        mta_priority: what the package gives its programs in the choice of a mail server, 0 where there is none.
        ended: the last day with security fixes, where it is over, by ID of os-release(5); '' stands for every other ID.
    """

    version_id: str
    postfix: str
    main_cf: Mapping[str, tuple[str | None, ...]]
    saslauthd_variables: tuple[tuple[str, str, str], ...]
    saslauthd_left: Mapping[str, str]
    saslauthd_drop_in: tuple[str, ...]
    mta_priority: int = 0
    ended: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A family of distributions.

    Args:
        name: for a person.
        os_release_ids: values of ID in os-release(5) that belong to it.
        os_release_likes: words of ID_LIKE by which further systems belong to it; none: they were not tried.
        postfix_chapter: the notebook that sets Postfix up here.
        package_managers: those it may have, the one to use first.
        packages: what chapter 2 needs.
        questions: answers to the questions of Postfix's package, as debconf-set-selections(1) takes them;
            `{mailname}` is filled in.
        postfix_starts: whether the package enables and starts it.
        script_paths: files and folders that scripts of these packages and of those that they bring make or change.
        folders_left: folders that the packages or saslauthd leave behind when they go, the innermost first.
        purged: files that clearing a removed package takes away though others may have changed them, by package.
        openssl_package: the package with the openssl command.
        key_directory, certificate_directory: where the document's files stay.
        mailname: the file with the sender's domain where none is given, None where main.cf alone says it.
        smtpd_sasl_conf: the file that tells smtpd what to ask SASL for.
        smtpd_sasl_text: its text.
        sasldb: SASL's own password database, where smtpd.conf names none.
        pam_service: the file of PAM's service `smtp`.
        pam_text: its text, `{minimum_uid}` filled in: root kept out, then what every login here goes through.
        files_left: texts of those of these files that the packages bring, root:root 0644.
        master_cf_left: master.cf as the package leaves it.
        chroot: the fifth column of the new services in master.cf, 'y' or 'n'.
        saslauthd_defaults: its settings file.
        saslauthd_socket_directory: where smtpd sees the socket.
        saslauthd_group: who may open it, '' when everybody may.
        saslauthd_drop_in: path of the unit's drop-in.
        mta_program: Postfix's program in the system's choice of a mail server (`alternatives`), None without one.
        firewall_services: firewalld's names of the services on 25, 465 and 587, where this runbook opens them.
        releases: what differs by release, by the first number of VERSION_ID.
    """

    name: str
    os_release_ids: frozenset[str]
    os_release_likes: frozenset[str]
    postfix_chapter: str
    package_managers: tuple[PackageManager, ...]
    packages: tuple[str, ...]
    questions: tuple[str, ...]
    postfix_starts: bool
    script_paths: tuple[PurePosixPath, ...]
    folders_left: tuple[PurePosixPath, ...]
    purged: Mapping[str, tuple[PurePosixPath, ...]]
    openssl_package: str
    key_directory: PurePosixPath
    certificate_directory: PurePosixPath
    mailname: PurePosixPath | None
    smtpd_sasl_conf: PurePosixPath
    smtpd_sasl_text: str
    sasldb: PurePosixPath
    pam_service: PurePosixPath
    pam_text: str
    files_left: Mapping[PurePosixPath, str]
    master_cf_left: PurePosixPath
    chroot: str
    saslauthd_defaults: PurePosixPath
    saslauthd_socket_directory: PurePosixPath
    saslauthd_group: str
    saslauthd_drop_in: PurePosixPath
    mta_program: PurePosixPath | None
    firewall_services: Mapping[int, str]
    releases: Mapping[str, Release]

    @property
    def package_manager(self) -> PackageManager:
        """The one to use; of a host that was looked at, the one that is there."""
        return self.package_managers[0]
