"""Chapter 3-1: Windows Live Mail, which ended in January 2017.

The program cannot be had any more, so nothing here was tried with it. What is said of it comes from the
document, from Microsoft's pages and from issues of mail servers, each named in `_SOURCES`.
"""

from collections.abc import Sequence

from runbook_lib.clients.findings import live_mail_findings
from runbook_lib.clients.guide import Compared, Guide, Said, Trouble, Value
from runbook_lib.clients.settings import ClientSettings
from runbook_lib.clients.statements import (
    NOT_LOGGED_IN,
    NOT_TRUSTED_REMEDY,
    NOTHING_TO_IMPORT,
    TEMPORARY_FAILURE,
    TLS_NOT_AVAILABLE,
    bare_newline_troubles,
    ca_file_checked,
    ca_values,
    login_on_25_compared,
    port_compared,
    same,
    user_name_entry,
)
from runbook_lib.inventory import names

_SSL_BOX = Said(
    "This server requires a secure connection (SSL)",
    "このサーバーはセキュリティで保護された接続(SSL)が必要(Q)",
)


def guide(settings: ClientSettings) -> Guide:
    """The settings page for Windows Live Mail, and for what took its place."""
    return Guide(
        client="windows-live-mail",
        title=Said("3-1. Windows Live Mail", "3-1. Windows Live Mail の場合"),
        first=(*_FIRST, *live_mail_findings(settings)),
        values=_values(settings),
        ca=ca_values(settings),
        trust=_trust(settings),
        steps=_steps(settings),
        compared=_compared(settings),
        troubles=_troubles(settings),
        sources=_SOURCES,
        instead=_instead(settings),
    )


_FIRST = (
    Said(
        "Windows Live Mail has had no updates since 10 January 2017, and security faults in it stay "
        "open. Use what took its place; this page is for machines that cannot be changed at once.",
        "Windows Live Mailは2017年1月10日に提供が終了し、その後は更新されていません。"
        "脆弱性も修正されません。後継のソフトに移行してください。このページは、"
        "すぐに移行できない端末のためのものです。",
    ),
    Said(
        "On Windows 7 as it was shipped TLS 1.2 is off, and this server takes nothing older on 465 and "
        "587 (RFC 8996). Microsoft's update KB3140245 and its registry settings turn it on for some "
        "programs; whether Live Mail is one of them was not tried here.",
        "出荷時のWindows 7ではTLS 1.2が無効で、"
        "このサーバの465番と587番はそれより古いバージョンを受け付けません（RFC 8996）。"
        "Microsoftの更新KB3140245とレジストリの設定で、一部のソフトではTLS 1.2が有効になります。"
        "Live Mailがこれに当たるかは未確認です。",
    ),
)


def _values(settings: ClientSettings) -> Sequence[Value]:
    return (
        Value(
            Said("Servers – Outgoing mail (SMTP)", "[サーバー]-[送信メール (SMTP)]"),
            same(names.shown(settings.smtp_name)),
        ),
        Value(
            Said("Servers – My server requires authentication", "[サーバー]-[このサーバーは認証が必要]"),
            Said("ticked", "チェックを入れる"),
        ),
        Value(Said("… Settings – Account name", "… [設定]-[アカウント名]"), user_name_entry(settings)),
        Value(
            Said(
                "… Log on using Secure Password Authentication", "… [セキュリティで保護されたパスワード認証]"
            ),
            Said("not ticked: TLS protects the password", "チェックを入れない（パスワードはTLSが保護する）"),
        ),
        Value(
            Said("Advanced – Outgoing mail (SMTP)", "[詳細設定]-[送信メール (SMTP)]"), same(_port(settings))
        ),
        Value(
            Said("Advanced – {label}", "[詳細設定]-[{label}]", label=_SSL_BOX),
            Said("ticked", "チェックを入れる"),
        ),
    )


def _port(settings: ClientSettings) -> str:
    return str(settings.servers[0].port)


def _trust(settings: ClientSettings) -> Sequence[Said]:
    if settings.ca is None:
        return (*NOTHING_TO_IMPORT, _OLD_ROOTS)
    return (
        *ca_file_checked(settings),
        Said(
            "Windows computes it so: certutil -hashfile {file} SHA256 (the Thumbprint in the "
            "certificate's own window is SHA-1, another number).",
            "Windowsでは「certutil -hashfile {file} SHA256」で計算します（証明書の画面の[拇印]はSHA-1で、"
            "別の値です）。",
            file=settings.ca.name,
        ),
        Said(
            "Open the file by a double click: Install Certificate…",
            "ファイルをダブルクリックし、[証明書のインストール]をクリックします。",
        ),
        Said(
            "Place all certificates in the following store: Trusted Root Certification Authorities. "
            "Never the automatic choice.",
            "[証明書をすべて次のストアに配置する]で[信頼されたルート証明機関]"
            "を選びます（自動選択は使いません）。",
        ),
        Said(
            "Windows asks once more whether to trust it: Yes, if the fingerprint was right. Restart the "
            "mail program.",
            "セキュリティ警告には、値が合っていた場合だけ[はい]と答えます。その後、"
            "メールソフトを起動し直します。",
        ),
    )


def _steps(settings: ClientSettings) -> Sequence[Said]:
    return (
        Said(
            "In the left pane right-click the mail server that is to use TLS and choose Properties.",
            "左のペインからTLSとしたいメールサーバを右クリックして、[プロパティ]を選択します。",
        ),
        Said(
            "Tab Servers: tick 'My server requires authentication', Settings, and enter the account as "
            "above. (The document leaves this out.)",
            "[サーバー]タブの[このサーバーは認証が必要]にチェックを入れ、[設定]"
            "をクリックして上の表のとおりに入力します（2013年の文書では省かれています）。",
        ),
        Said(
            "Tab Advanced: under SMTP tick '{label}'.",
            'プロパティ画面の[詳細設定]タブを選択し、SMTPのところの"{label}"を有効にします。',
            label=_SSL_BOX,
        ),
        Said(
            "In the same place set the port to {port}. The document leaves it at 25.",
            "同じ場所でポート番号を{port}にします（2013年の文書では25番のまま）。",
            port=_port(settings),
        ),
        Said("Send a mail to your own address.", "自分宛てにメールを1通送ります。"),
    )


def _compared(settings: ClientSettings) -> Sequence[Compared]:
    return (
        Compared(
            Said("The program", "ソフトウェア"),
            Said("current", "現行"),
            Said("ended on 10 January 2017", "2017年1月10日に終了"),
            "Microsoft, Windows Essentials 2012",
        ),
        port_compared(same(_port(settings))),
        Compared(
            Said("'{label}'", "'{label}'", label=_SSL_BOX),
            Said("on 25 it means STARTTLS", "25番ではSTARTTLSの意味"),
            Said(
                "on 465 it means TLS from the first byte; on 587 its family is said to do the same, and "
                "would fail",
                "465番では最初からTLS。587番でも同じ動作とされ、その場合は失敗する",
            ),
            "Postfix TLS_README (of Outlook Express)",
        ),
        login_on_25_compared(settings),
        Compared(
            Said("Mechanism", "認証方式"),
            Said("LOGIN", "LOGIN"),
            Said("LOGIN beside PLAIN, only inside TLS", "PLAINと並べてLOGIN。TLSの接続に限る"),
            "docker-mailserver#47, froxlor#54",
        ),
        Compared(
            Said("TLS", "TLS"),
            Said("TLS 1.0 on Windows 7 as shipped", "出荷時のWindows 7はTLS 1.0"),
            Said(
                "1.2 or later; with CBC suites for Windows 8.1 (ciphers: base)",
                "1.2以上。Windows 8.1のためにCBCの暗号スイートも残す（ciphers: base）",
            ),
            "RFC 8996; KB3140245; Microsoft, TLS Cipher Suites in Windows 8.1",
        ),
    )


def _instead(settings: ClientSettings) -> Sequence[Value]:
    ports, *further = (
        Said(
            "port {port} with {security}",
            "{port}番ポートと{security}",
            port=server.port,
            security=server.security,
        )
        for server in settings.servers
    )
    for other in further:
        ports = Said("{ports}, or {other}", "{ports}、または{other}", ports=ports, other=other)
    return (
        Value(
            same("Thunderbird"),
            Said(
                "{ports}; tried here, chapter 3-2. Live Mail keeps each mail as an .eml file, which "
                "Thunderbird opens.",
                "{ports}。3-2章で確認済み。Live Mailのメールは.emlファイルなので、Thunderbirdで開けます。",
                ports=ports,
            ),
        ),
        Value(
            Said("Outlook (classic)", "Outlook（従来版）"),
            Said(
                "{ports}; the CA in Windows' store, as below. Not tried here.",
                "{ports}。認証局は、下記のとおりWindowsに登録します。未確認。",
                ports=ports,
            )
            if settings.ca
            else Said("{ports}. Not tried here.", "{ports}。未確認。", ports=ports),
        ),
        Value(
            Said("new Outlook for Windows", "新しいOutlook for Windows"),
            Said(
                "Microsoft's own successor to Windows Mail (ended 31 December 2024). It copies the mail "
                "of IMAP accounts into Microsoft's cloud, so a server or a CA that is known in the house "
                "alone may not work, and your rules may forbid it. Not tried here.",
                "Windows メール（2024年12月31日終了）のMicrosoft自身による後継。"
                "IMAPアカウントのメールをMicrosoftのクラウドに複製するため、"
                "社内だけのサーバや認証局では使えないことがあり、社内規則で禁じられている場合もあります。"
                "未確認。",
            ),
        ),
    )


_OLD_ROOTS = Said(
    "A Windows that has had no updates for years may not know a newer public CA: it is told by the same warning, and "
    "updates mend it.",
    "長年更新していないWindowsは、新しい公的な認証局を知らないことがあり、同じ警告が出ます。"
    "更新すれば解決します。",
)


def _troubles(settings: ClientSettings) -> Sequence[Trouble]:
    not_trusted = (
        (
            Said(
                "The CA is not in Windows' store, or it is another server.",
                "認証局が未登録か、別のサーバにつながっています。",
            ),
            Said("Import the CA. Do not answer Yes.", "認証局を登録します。[はい]と答えないでください。"),
        )
        if settings.ca
        else (
            Said(
                "It is another server, or Windows lacks updates and does not know the CA.",
                "別のサーバにつながっているか、Windowsの更新が足りず、認証局が知られていません。",
            ),
            NOT_TRUSTED_REMEDY,
        )
    )
    return (
        Trouble(
            same("The server you are connected to is using a security certificate that cannot be verified"),
            *not_trusted,
        ),
        Trouble(
            same("Your server has unexpectedly terminated the connection  [0x800CCC0F]"),
            Said(
                "No TLS version or cipher suite in common, or port and SSL do not belong together.",
                "共通のTLSのバージョンや暗号スイートがないか、ポートとSSLの組み合わせが違います。",
            ),
            Said(
                "Port {port} with SSL ticked; a Windows without TLS 1.2 cannot be helped: "
                "move to Thunderbird.",
                "ポートを{port}にし、SSLを有効にします。TLS 1.2のないWindowsでは使えないため、"
                "Thunderbirdに移行します。",
                port=_port(settings),
            ),
        ),
        Trouble(
            same("535 5.7.8 Error: authentication failed"),
            Said(
                "Wrong password or user name. With letters outside ASCII in the password: old clients "
                "send them as Latin-1, the server expects UTF-8, and the right password fails.",
                "パスワードかユーザ名の誤りです。パスワードにASCII以外の文字があると、"
                "古いソフトはLatin-1で送り、サーバはUTF-8と解釈するため、正しいパスワードでも失敗します。",
            ),
            Said(
                "A password of ASCII characters, or Thunderbird.",
                "ASCIIだけのパスワードにするか、Thunderbirdを使います。",
            ),
        ),
        TEMPORARY_FAILURE,
        NOT_LOGGED_IN,
        TLS_NOT_AVAILABLE,
        *bare_newline_troubles(settings),
    )


_SOURCES = (
    Said(
        "Not tried here: Windows Live Mail cannot be had any more.",
        "未確認：Windows Live Mailはもう入手できないため、実物では試していません。",
    ),
    Said(
        "End: Microsoft's release notes of Windows Essentials 2012. Ports of its family: Postfix "
        "TLS_README. TLS 1.2: Microsoft KB3140245. Suites: Microsoft, TLS Cipher Suites in Windows 8.1. "
        "LOGIN only: docker-mailserver/docker-mailserver#47, froxlor/froxlor#54. Latin-1: "
        "roundcube/roundcubemail#7023, RFC 4616 section 2. New Outlook: Microsoft, Sync your account in "
        "Outlook to the Microsoft Cloud.",
        "終了：MicrosoftのWindows Essentials 2012のリリースノート。ポートの扱い：PostfixのTLS_README。"
        "TLS 1.2：Microsoft KB3140245。暗号スイート：Microsoft、TLS Cipher Suites in Windows 8.1。"
        "LOGINのみ：docker-mailserver/docker-mailserver#47、froxlor/froxlor#54。Latin-1："
        "roundcube/roundcubemail#7023、RFC 4616の2節。新しいOutlook：Microsoft、"
        "Sync your account in Outlook to the Microsoft Cloud。",
    ),
)
