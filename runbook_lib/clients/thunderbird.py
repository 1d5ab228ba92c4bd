"""Chapter 3-2: Thunderbird.

The labels of today were read out of Thunderbird 153 ESR and its Japanese language pack; those of 2013
are the document's.
"""

from collections.abc import Sequence

from runbook_lib.clients.guide import Compared, Guide, Said, Trouble, Value
from runbook_lib.clients.settings import POP_PORT, ClientSettings, Server
from runbook_lib.clients.statements import (
    NOT_TRUSTED_REMEDY,
    NOTHING_TO_IMPORT,
    bare_newline_troubles,
    ca_file_checked,
    ca_values,
    login_on_25_compared,
    port_compared,
    same,
    user_name_entry,
)
from runbook_lib.inventory import names


def guide(settings: ClientSettings) -> Guide:
    """The settings page for Thunderbird."""
    return Guide(
        client="thunderbird",
        title=Said("3-2. Thunderbird", "3-2. Thunderbird の場合"),
        first=_FIRST if settings.ca else (),
        values=_values(settings),
        ca=ca_values(settings),
        trust=_trust(settings),
        steps=_steps(settings),
        compared=_compared(settings),
        troubles=_troubles(settings),
        sources=(_TRIED if settings.ca else _TRIED_WITH_OWN, *_SOURCES),
    )


_FIRST = (
    Said(
        "Thunderbird keeps a list of certificate authorities of its own, and asks the system's only "
        "where a policy (Certificates, ImportEnterpriseRoots) says so. So it is told about the house's "
        "CA once, before the first mail.",
        "Thunderbirdは認証局の一覧を独自に持ち、OSの一覧はポリシー（Certificates、ImportEnterpriseRoots）"
        "で指定したときだけ参照します。そのため、最初のメールの前に一度だけ、社内の認証局を登録します。",
    ),
)


def _values(settings: ClientSettings) -> Sequence[Value]:
    return (
        Value(Said("Server Name", "サーバー名"), same(names.shown(settings.smtp_name))),
        *_port_and_security(settings.servers),
        Value(
            Said("Authentication method", "認証方式"),
            Said("Normal password", "通常のパスワード認証"),
        ),
        Value(Said("User Name", "ユーザー名"), user_name_entry(settings)),
    )


def _port_and_security(servers: Sequence[Server]) -> Sequence[Value]:
    first = servers[0]
    values = [
        Value(Said("Port", "ポート番号"), same(str(first.port))),
        Value(Said("Connection security", "接続の保護"), same(first.security)),
    ]
    values += [
        Value(
            Said("Port and security, where a network blocks the first", "上のポートが遮断されている場合"),
            Said("{port} with {security}", "{port}と{security}", port=other.port, security=other.security),
        )
        for other in servers[1:]
    ]
    return values


def _trust(settings: ClientSettings) -> Sequence[Said]:
    if settings.ca is None:
        return NOTHING_TO_IMPORT
    return (
        *ca_file_checked(settings),
        Said(
            "Tools – Settings – Privacy & Security, at the very end: Manage Certificates…",
            "[ツール]-[設定]-[プライバシーとセキュリティ]の一番下にある[証明書を管理...]をクリックします。",
        ),
        Said(
            "Tab Authorities, button Import…", "[認証局証明書]タブを開き、[インポート...]をクリックします。"
        ),
        Said(
            "Choose {file}. In the question that follows, View shows the SHA-256 fingerprint once more.",
            "{file}を選びます。続く画面の[証明書を表示]でもSHA-256を確かめられます。",
            file=settings.ca.name,
        ),
        Said(
            "Tick 'Trust this CA to identify websites.' (mail servers count as such) and nothing else. OK.",
            "[この認証局によるウェブサイトの識別を信頼する]"
            "だけにチェックを入れます（メールサーバもこれに含まれます）。[OK]をクリックします。",
        ),
    )


def _steps(settings: ClientSettings) -> Sequence[Said]:
    server = settings.servers[0]
    no_exception = _NO_EXCEPTION if settings.ca else NOTHING_TO_IMPORT[1]
    return (
        Said(
            "From the menu choose Tools – Account Settings. No menu bar: press Alt.",
            "メニューから[ツール]-[アカウント設定]を選びます（メニューがなければAltキーを押します）。",
        ),
        Said(
            "On the left, at the end of the list, choose Outgoing Server. Select the server and click "
            "Edit…; none there yet: Add….",
            "左側の一覧の最後にある[送信サーバー]（2013年は[送信(SMTP)サーバ]）を選び、"
            "TLSとしたいサーバを選んで[編集...]をクリックします。サーバがまだなければ[追加...]"
            "をクリックします。",
        ),
        Said(
            "Server Name {server}, Port {port}.",
            "[サーバー名]は{server}、[ポート番号]は{port}にします。",
            server=settings.smtp_name,
            port=server.port,
        ),
        Said(
            "Security and Authentication: Connection security {security}, Authentication method "
            "Normal password, User Name as above. OK.",
            "セキュリティと認証では、[接続の保護]を{security}、[認証方式]を[通常のパスワード認証]、"
            "[ユーザー名]を上の表のとおりにします。[OK]をクリックします。",
            security=server.security,
        ),
        Said(
            "Send a mail to your own address. The password is asked for once. {otherwise}",
            "自分宛てにメールを1通送ります。パスワードを一度だけ聞かれます。{otherwise}",
            otherwise=no_exception,
        ),
    )


_NO_EXCEPTION = Said(
    "If Thunderbird offers to add a security exception instead, stop: the CA is missing or it is another "
    "server.",
    "代わりにセキュリティ例外の追加を勧められたら、中止してください。認証局が未登録か、"
    "別のサーバにつながっています。",
)


def _compared(settings: ClientSettings) -> Sequence[Compared]:
    ports, *further = (
        Said(
            "{number} with {security}", "{number}（{security}）", number=server.port, security=server.security
        )
        for server in settings.servers
    )
    for other in further:
        ports = Said("{ports} or {other}", "{ports}、または{other}", ports=ports, other=other)
    return (
        port_compared(ports),
        Compared(
            Said("Connection security", "接続の保護"),
            Said(
                "in a picture that is lost; on port 25 only STARTTLS can work",
                "画像のみで現存せず。25番で使えるのはSTARTTLSだけ",
            ),
            Said(
                "SSL/TLS on 465: no clear text at all, so nothing to strip; STARTTLS on 587",
                "465番ではSSL/TLS（平文の区間がない）。587番ではSTARTTLS",
            ),
            "RFC 8314 3.3; RFC 3207",
        ),
        login_on_25_compared(settings),
        Compared(
            Said("Authentication", "認証方式"),
            Said("password", "パスワード"),
            Said(
                "Normal password (AUTH PLAIN), only inside TLS",
                "通常のパスワード認証（AUTH PLAIN）。TLSの接続に限る",
            ),
            "RFC 4954 4; RFC 4616",
        ),
        Compared(
            Said("Name in the certificate", "証明書の名前"),
            Said(
                "the name clients use; two names, two certificates",
                "接続に使う名前。名前が2つなら証明書も2枚",
            ),
            Said("every name in the SAN of one certificate", "1枚の証明書のSANにすべての名前"),
            "RFC 9525 6.3",
        ),
        Compared(
            Said("Menu", "メニュー"),
            Said(
                "Tools – Account Settings – Outgoing Server (SMTP)",
                "[ツール]-[アカウント設定]-[送信(SMTP)サーバ]",
            ),
            Said("Tools – Account Settings – Outgoing Server", "[ツール]-[アカウント設定]-[送信サーバー]"),
            "Thunderbird 153 ESR",
        ),
    )


def _troubles(settings: ClientSettings) -> Sequence[Trouble]:
    """Each message as Thunderbird 153 ESR said it against a real server in that state."""
    name = settings.smtp_name
    right = user_name_entry(settings)
    means, remedy = (_NOT_IMPORTED, _IMPORT_IT) if settings.ca else (_NOT_TRUSTED, NOT_TRUSTED_REMEDY)
    return (
        Trouble(
            Said(
                "Peer's Certificate issuer is not recognized. The configuration related to {server} must "
                "be corrected. (Then: Add Security Exception)",
                "Peer's Certificate issuer is not recognized. {server} に関する設定を見直してください。"
                "（続いて、セキュリティ例外の追加）",
                server=name,
            ),
            means,
            remedy,
        ),
        Trouble(
            Said(
                "Login to server {server} with username … failed.",
                "ユーザー名 … でサーバー {server} へのログインに失敗しました。",
                server=name,
            ),
            Said(
                "Wrong password or user name (535), or the server's password service is down (454): "
                "Thunderbird shows the same window for both.",
                "パスワードかユーザ名の誤り（535）、またはサーバの認証サービスの停止（454）。"
                "Thunderbirdの表示はどちらも同じです。",
            ),
            Said(
                "User name: {user_name}. If nobody can log in, tell your administrator and keep the "
                "password.",
                "ユーザ名：{user_name}。全員がログインできないなら、パスワードは変えずに管理者に知らせます。",
                user_name=right,
            ),
        ),
        Trouble(
            Said(
                "The message could not be sent because the connection to Outgoing server (SMTP) {server} "
                "timed out.",
                "送信 (SMTP) サーバー {server} との接続がタイムアウトしたため、"
                "メッセージを送信できませんでした。",
                server=name,
            ),
            Said(
                "Port and connection security do not belong together, or the network blocks the port.",
                "ポート番号と[接続の保護]の組み合わせが違うか、ネットワークがポートを遮断しています。",
            ),
            _ports_told(settings.servers),
        ),
        Trouble(
            Said(
                "The mail server responded: … Relay access denied.",
                "サーバーからの応答: … Relay access denied.",
            ),
            Said(
                "The account still uses port 25, where nobody logs in.",
                "アカウントが25番のままです。25番では誰もログインしません。",
            ),
            Said("Set port {port}.", "ポート番号を{port}にします。", port=settings.servers[0].port),
        ),
        Trouble(
            same("Cannot communicate securely with peer: no common encryption algorithm(s)."),
            Said("The server has lost its certificate.", "サーバが証明書を読み込めていません。"),
            Said("Tell your administrator.", "管理者に知らせます。"),
        ),
        *bare_newline_troubles(settings),
    )


def _ports_told(servers: Sequence[Server]) -> Said:
    told, *further = (
        Said(
            "{port} goes with {security}",
            "{port}には{security}",
            port=server.port,
            security=server.security,
        )
        for server in servers
    )
    for other in further:
        told = Said("{told}; {other}", "{told}、{other}", told=told, other=other)
    return told


_NOT_IMPORTED = Said(
    "The CA was not imported, or another server answers under this name. The server's log "
    "has 'alert unknown ca'.",
    "認証局が未登録か、別のサーバがこの名前で応答しています。"
    "サーバのログには「alert unknown ca」が残ります。",
)
_IMPORT_IT = Said(
    "Import the CA. Never confirm the exception.",
    "認証局を登録します。例外は承認しないでください。",
)
_NOT_TRUSTED = Said(
    "Another server answers under this name, or this one sends its certificate without what belongs to it (the "
    "intermediates). The server's log has 'alert unknown ca'.",
    "別のサーバがこの名前で応答しているか、サーバが中間CA証明書を送っていません。"
    "サーバのログには「alert unknown ca」が残ります。",
)

_TRIED = Said(
    "Tried here: Thunderbird 153 ESR sent mail over each port with these settings, and refused to "
    "without the CA.",
    "確認済み：Thunderbird 153 ESRで、この設定により各ポートから送信できました。"
    "認証局を登録していないと送信しませんでした。",
)
_TRIED_WITH_OWN = Said(
    "Tried here with the certificate of an own CA: Thunderbird 153 ESR sent mail over each port with these settings. "
    "That it has this public CA in its list was not tried.",
    "自前の認証局の証明書で確認済み：Thunderbird 153 ESRで、この設定により各ポートから送信できました。"
    "この公的な認証局が一覧にあるかは未確認です。",
)
_SOURCES = (
    Said(
        "Fetching mail (POP3, {port}) is not set up by this document.",
        "受信（POP3、{port}番）の設定は、この手順書では扱いません。",
        port=POP_PORT,
    ),
)
