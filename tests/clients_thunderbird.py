"""A real Thunderbird without a screen, driven through Marionette, with an account made from our settings."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marionette_driver.errors import NoAlertPresentException
from marionette_driver.marionette import Alert, Marionette

_START_TIMEOUT_S = 60.0
_SEND_TIMEOUT_S = 60.0

# All names lead to the host under test, so that nothing that Thunderbird does by itself leaves the machine.
_PREFERENCES = {
    "marionette.port": 0,
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.start_page.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "mailnews.tcptimeout": 20,
}

# Thunderbird's own code reads our file and makes the account, as its account set-up does.
_MAKE_ACCOUNT = """
const [xml, address, password, done] = arguments;
(async () => {
  const load = name => ChromeUtils.importESModule(`resource:///modules/${name}.sys.mjs`);
  const { JXON } = load("JXON");
  const { readFromXML } = load("accountcreation/readFromXML");
  const { AccountConfig } = load("accountcreation/AccountConfig");
  const { CreateInBackend } = load("accountcreation/CreateInBackend");
  const config = readFromXML(JXON.build(new window.DOMParser().parseFromString(xml, "text/xml")), "test");
  AccountConfig.replaceVariables(config, "Hanako", address, password);
  config.rememberPassword = true;
  config.incoming.loginAtStartup = false;
  config.incoming.password = config.outgoing.password = password;
  config.identity.emailAddress = address;
  const account = await CreateInBackend.createAccountInBackend(config);
  const out = MailServices.outgoingServer.defaultServer.QueryInterface(Ci.nsISmtpServer);
  // Nothing is fetched here, and the sent mail needs no folder.
  account.incomingServer.doBiff = false;
  account.defaultIdentity.doFcc = false;
  return { hostname: out.hostname, port: out.port, socketType: out.socketType,
           authMethod: out.authMethod, username: out.username,
           alternatives: config.outgoingAlternatives.map(o => [o.hostname, o.port, o.socketType]) };
})().then(done, error => done({ error: String(error) }));
"""

# The certificate manager's Import button calls this function with the file that the user chose.
_IMPORT_CA = """
const [der] = arguments;
const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
const certificate = database.constructX509FromBase64(der);
database.addCertFromBase64(der, "C,,");
return certificate.sha256Fingerprint;
"""

# It only begins to send: a failure opens an alert, which ends any script that waits.
_SEND = """
const [recipient, subject] = arguments;
const identity = MailServices.accounts.defaultAccount.defaultIdentity;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
fields.from = identity.email;
fields.to = recipient;
fields.subject = subject;
fields.body = "Sent by a real Thunderbird.\\n";
const answer = (window.runbookAnswer = { status: null, security: null });
const listener = {
  QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
  onStartSending() {}, onSendProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() {},
  onStopSending(id, status) { answer.status = status; },
  onTransportSecurityError(id, status, info) { answer.security = info.errorCodeString; },
};
const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
send.createAndSendMessage(null, identity, "", fields, false, false, Ci.nsIMsgCompDeliverMode.Now, null,
  "text/plain", fields.body, window, null, listener, "", "", Ci.nsIMsgCompType.New
).catch(error => console.error(error));
"""


@dataclass(frozen=True)
class Sent:
    """How an attempt to send ended: what Thunderbird tells the user (nothing when it went well)."""

    alerts: tuple[str, ...]
    certificate_fault: str | None

    @property
    def went_well(self) -> bool:
        return not self.alerts and self.certificate_fault is None


class Thunderbird:
    """A running Thunderbird with a profile of its own."""

    def __init__(self, marionette: Marionette) -> None:
        self._marionette = marionette

    def import_ca(self, der: bytes) -> str:
        """Trust a CA for servers, as the certificate manager does; returns the fingerprint that it shows."""
        return str(self._run(_IMPORT_CA, base64.b64encode(der).decode()))

    def make_account(self, autoconfig: bytes, address: str, password: str) -> dict[str, Any]:
        """An account from a configuration file; returns the outgoing server as Thunderbird has it."""
        return self._wait(_MAKE_ACCOUNT, autoconfig.decode(), address, password)

    def send(self, recipient: str, subject: str) -> Sent:
        """Write and send a mail from the account; alerts are read and closed, as a user would."""
        self._run(_SEND, recipient, subject)
        alerts: list[str] = []
        deadline = time.monotonic() + _SEND_TIMEOUT_S
        while True:
            assert time.monotonic() < deadline, f"sending did not end; alerts so far: {alerts}"
            alert = self._alert()
            if alert:
                alerts.append(alert)
                continue
            # None is what a window answers that the alert of the moment has just taken the place of.
            answer = self._run("return window.runbookAnswer || null;") or {"status": None}
            # After a failure the alert comes behind the answer.
            if answer["status"] == 0 or (answer["status"] and alerts):
                return Sent(tuple(alerts), answer["security"])
            time.sleep(0.1)

    def _alert(self) -> str:
        """The text of an alert that is open, which is closed; empty where none is."""
        alert = Alert(self._marionette)
        try:
            text = str(alert.text)
            alert.dismiss()
        except NoAlertPresentException:
            return ""
        return text

    def preference(self, name: str) -> int:
        """A whole number among Thunderbird's settings."""
        return int(self._run("return Services.prefs.getIntPref(arguments[0]);", name))

    def _run(self, script: str, *arguments: str) -> Any:
        return self._marionette.execute_script(script, script_args=list(arguments), sandbox="system")

    def _wait(self, script: str, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._marionette.execute_async_script(
            script, script_args=list(arguments), sandbox="system"
        )
        assert "error" not in answer, answer["error"]
        return answer


@contextmanager
def thunderbird(folder: Path, address: str) -> Iterator[Thunderbird]:
    """Start Thunderbird; every DNS name leads to `address`.

    Args:
        folder: an empty folder; profile, home and log are made in it.
        address: IP address of the mail server.
    """
    profile, home = folder / "profile", folder / "home"
    profile.mkdir()
    home.mkdir()
    preferences = {**_PREFERENCES, "network.dns.forceResolve": address}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines) + "\n")
    command = ["thunderbird", "--headless", "--marionette", "-remote-allow-system-access", "--no-remote"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-profile", str(profile)],
            env={**os.environ, "HOME": str(home)},
            stdout=log,
            stderr=log,
        )
    try:
        marionette = Marionette(host="127.0.0.1", port=_port(profile, folder / "log"))
        marionette.start_session({"unhandledPromptBehavior": "ignore"})
        marionette.set_context("chrome")
        marionette.timeout.script = _SEND_TIMEOUT_S
        yield Thunderbird(marionette)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _port(profile: Path, log: Path) -> int:
    deadline = time.monotonic() + _START_TIMEOUT_S
    told = profile / "MarionetteActivePort"
    while not told.exists():
        assert time.monotonic() < deadline, f"Thunderbird did not start: {log.read_text()[-500:]}"
        time.sleep(0.1)
    return int(told.read_text())
