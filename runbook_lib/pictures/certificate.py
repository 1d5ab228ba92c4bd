"""From the private key to the certificate: the document's chapter 1."""

from runbook_lib.messages import message
from runbook_lib.pictures.drawing import JAIL, PART, PLAIN, SECRET, Picture, arrow, box, words


def certificate(
    key: str = "mail-server.key",
    csr: str = "csr_mail-server.pem",
    signed: str = "mail-server.pem",
) -> Picture:
    """What is made where, what travels, and what never does.

    Args:
        key: file name of the encrypted private key.
        csr: file name of the signing request.
        signed: file name of the certificate that comes back.
    """
    body = [
        box(10, 34, 250, 236, PLAIN),
        words(22, 56, message("mail server"), weight=600),
        box(30, 70, 210, 50, JAIL, (message("private key"), key), size=13),
        words(74, 140, message("never leaves this machine"), JAIL, size=12),
        arrow(60, 120, 60, 152),
        box(30, 152, 210, 46, PART, ("CSR", csr), size=13),
        box(30, 212, 210, 46, SECRET, (message("certificate"), signed), size=13),
        arrow(240, 175, 340, 175),
        words(290, 166, "1-1 → 1-2", anchor="middle", size=11),
        arrow(340, 235, 240, 235, SECRET),
        words(290, 226, "1-2", anchor="middle", size=11),
        box(340, 34, 220, 236, PLAIN),
        words(352, 56, message("certificate authority (CA)"), weight=600),
        box(356, 70, 188, 50, JAIL, (message("CA key"), message("encrypted, passphrase")), size=13),
        box(356, 152, 188, 46, PART, (message("check"), message("names, key, signature")), size=13),
        arrow(450, 198, 450, 212),
        box(356, 212, 188, 46, SECRET, (message("sign"), message("serial into the ledger")), size=13),
        arrow(560, 60, 620, 60, SECRET),
        box(
            620,
            34,
            150,
            70,
            SECRET,
            (message("CA certificate"), message("once, by hand,"), message("fingerprint compared")),
            size=12,
        ),
        arrow(695, 104, 695, 152, SECRET),
        box(620, 152, 150, 46, PART, (message("users' clients"), message("chapter 3")), size=13),
    ]
    return Picture(
        message("From the private key to the certificate"),
        message(
            "On the mail server the private key {key} is made and never leaves it; from it comes the signing request "
            "{csr}, which goes to the certificate authority. The authority checks names, key and signature, signs with "
            "its own encrypted key, writes the serial number into its ledger, and the certificate {certificate} goes "
            "back to the mail server. The authority's own certificate goes once, by hand, its fingerprint compared, to "
            "the users' clients.",
            key=key,
            csr=csr,
            certificate=signed,
        ),
        780,
        284,
        "".join(body),
        message(
            """\
mail server                      CA
{key:<32} key (encrypted)      CA certificate
   |                              |                    |  by hand,
   v                              v                    v  fingerprint compared
{csr:<24} ----->  check, then sign     users' clients (chapter 3)
{certificate:<24} <-----  serial into the ledger""",
            key=message("{key} (stays)", key=key),
            csr=csr,
            certificate=signed,
        ),
    )
