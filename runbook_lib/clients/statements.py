"""Statements that hold for every client: the user name, the CA's file, the ports, the server's refusals."""

from collections.abc import Sequence

from runbook_lib.clients.guide import Compared, Said, Trouble, Value
from runbook_lib.clients.settings import CaFile, ClientSettings


def same(text: str) -> Said:
    """A value that is written alike in both languages."""
    return Said("{text}", "{text}", text=text)


def user_name_entry(settings: ClientSettings) -> Said:
    """What users enter as their name: the form that the inventory's realm makes work."""
    address = f"hanako@{settings.domain}"
    login = settings.login_name("hanako")
    if login == address:
        return Said(
            "the whole mail address, such as {address}",
            "メールアドレス全体（例：{address}）",
            address=address,
        )
    if settings.realm:
        return Said(
            "the account's name, '@' and {realm}, such as {login}",
            "アカウント名と@{realm}（例：{login}）",
            realm=settings.realm,
            login=login,
        )
    return Said(
        "the account's name alone, without '@': {login}, not {address}",
        "アカウント名だけ（{login}。@以降は付けず、{address}とはしない）",
        login=login,
        address=address,
    )


def ca_values(settings: ClientSettings) -> Sequence[Value]:
    """What users compare before they trust the own CA; nothing where a public one signed."""
    return [value for ca in settings.cas for value in _ca_values(ca)]


def _ca_values(ca: CaFile) -> Sequence[Value]:
    return (
        Value(Said("File", "ファイル"), same(ca.name)),
        Value(Said("Certificate of", "証明書の名前"), same(ca.common_name)),
        Value(Said("Valid until", "有効期限"), same(ca.last_day.isoformat())),
        Value(Said("SHA-256 fingerprint", "SHA-256フィンガープリント"), same(ca.sha256)),
    )


NOTHING_TO_IMPORT = (
    Said(
        "Nothing to import: the server's certificate is of a public CA, which programs trust as it is.",
        "登録は不要です。サーバの証明書は公的な認証局のもので、ソフトは最初から信頼しています。",
    ),
    Said(
        "If a program warns of the certificate all the same, stop, and tell your administrator: it is another server, "
        "or something is wrong with this one. Import nothing, and confirm no exception.",
        "それでも証明書の警告が出たら、中止して管理者に知らせてください。別のサーバにつながっているか、"
        "サーバに問題があります。何も取り込まず、例外も承認しないでください。",
    ),
)

NOT_TRUSTED_REMEDY = Said(
    "Tell your administrator. Never confirm an exception.",
    "管理者に知らせます。例外は承認しないでください。",
)


def ca_file_checked(settings: ClientSettings) -> tuple[Said, Said]:
    """The two steps before any import: get the file, and compare its fingerprint."""
    first, *others = settings.cas
    take = Said(
        "Take the file {file} from your administrator.", "管理者から{file}を受け取ります。", file=first.name
    )
    if others:  # a program that has one of them alone fails on the day of the switch, or until then
        further = ", ".join(one.name for one in others)
        take = Said(
            "{first} And {files}: a new CA takes the old one's place, and until it has, both are needed. "
            "Do each of these steps with each file.",
            "{first}{files}も受け取ります。認証局の切り替え中は両方が必要です。以下の手順を、"
            "それぞれのファイルで行います。",
            first=take,
            files=further,
        )
    return (
        take,
        Said(
            "Before anything else compare its SHA-256 with the fingerprint on the settings page, and that "
            "with what your administrator tells you by telephone or on paper. One digit different: stop, and "
            "import nothing.",
            "取り込む前に、ファイルのSHA-256を設定ページのフィンガープリントと比べ、"
            "さらに管理者から電話や紙で伝えられた値とも比べます。1文字でも違えば、そこで中止し、"
            "取り込まないでください。",
        ),
    )


def port_compared(now: Said) -> Compared:
    """The document's port against `now`."""
    return Compared(
        Said("Port", "ポート番号"),
        Said("25 may stay", "25番のままで構いません"),
        Said("{now}; 25 is between servers", "{now}。25番はサーバ間のメール用", now=now),
        "RFC 8314 3.3, 7.3; RFC 6409",
    )


def login_on_25_compared(settings: ClientSettings) -> Compared:
    """Whether a client that is left on port 25 can still send."""
    now = Said(
        "no: from a client left on 25, mail to other houses is refused (Relay access denied)",
        "なし。25番のままでは社外宛てのメールが拒否される（Relay access denied）",
    )
    if settings.auth_on_25:
        now = Said(
            "yes, after STARTTLS: the inventory asks for it", "あり（STARTTLSの後。インベントリの指定）"
        )
    return Compared(
        Said("Login on port 25", "25番でのログイン"),
        Said("yes", "あり"),
        now,
        "RFC 8314 3.3; inventory, submission.auth_on_25",
    )


TEMPORARY_FAILURE = Trouble(
    same("454 4.7.0 Temporary authentication failure"),
    Said(
        "The server cannot ask its password service at the moment; your password may be right.",
        "サーバがパスワードを確認できない状態です。パスワードは正しい可能性があります。",
    ),
    Said(
        "Change nothing, tell your administrator the time.",
        "設定は変えず、時刻を管理者に知らせます。",
    ),
)

NOT_LOGGED_IN = Trouble(
    same("454 4.7.1 … Relay access denied; 554 5.7.1 … Access denied"),
    Said(
        "The program did not log in: it still uses port 25, or the tick for the login is not set. The password was not "
        "looked at.",
        "ソフトがログインしていません（25番のまま、またはログインの設定がない）。"
        "パスワードは確認されていません。",
    ),
    Said(
        "Set port and login as on this page.",
        "ポート番号とログインをこのページのとおりに設定します。",
    ),
)

TLS_NOT_AVAILABLE = Trouble(
    same("454 4.7.0 TLS not available due to local problem"),
    Said("The server cannot load its key or certificate.", "サーバが鍵か証明書を読み込めません。"),
    Said("Tell your administrator.", "管理者に知らせます。"),
)


_SENDS_BARE_NEWLINES = Said(
    "A scanner, a script or another device ends its lines with a newline alone (LF) where mail has CR LF",
    "複合機やスクリプトなどが、行末にCR LFではなくLFだけを送っています",
)
_BARE_NEWLINES = {
    "refused": (
        Said("550 5.5.2 … bare <LF> received", "550 5.5.2 … bare <LF> received"),
        Said("; this server refuses such mail.", "。このサーバはそのようなメールを拒否します。"),
    ),
    "cut off": (
        Said("… bare <LF> received, and the connection ends", "… bare <LF> received（接続が切れる）"),
        Said("; this server ends the connection then.", "。このサーバはその接続を切ります。"),
    ),
    "normalized": (
        Said(
            "A scanner, a script or another device sends, and gets no answer until it gives up",
            "複合機やスクリプトなどから送信すると、応答がないまま失敗する",
        ),
        Said(
            ", at the end of the message too, so that this server goes on waiting for the end.",
            "。メールの終わりもLFだけのため、このサーバは終わりを待ち続けます。",
        ),
    ),
}


def bare_newline_troubles(settings: ClientSettings) -> Sequence[Trouble]:
    """What programs that end lines with a newline alone meet; nothing where the server takes what they send.

    Source: postconf(5), smtpd_forbid_bare_newline; RFC 5321, 2.3.8.
    """
    if settings.bare_newlines == "taken":
        return ()
    seen, then = _BARE_NEWLINES[settings.bare_newlines]
    means = Said("{what}{then}", "{what}{then}", what=_SENDS_BARE_NEWLINES, then=then)
    remedy = Said(
        "Have the device end its lines with CR LF, or tell your administrator. Mail programs do so by themselves.",
        "機器の側で行末をCR LFにするか、管理者に知らせます。通常のメールソフトは自動でCR LFを送ります。",
    )
    return (Trouble(seen, means, remedy),)
