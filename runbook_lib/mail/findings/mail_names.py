"""Names that clash: what the server calls itself, and what it takes mail for."""

from collections.abc import Iterator

from runbook_lib.mail.findings.finding import Finding, Look


def find(look: Look) -> Iterator[Finding]:
    """A host name without a domain, and one that mail is not taken for (case P18)."""
    if look.state.refused:
        return  # Postfix could not be asked
    lines = {entry.name: entry for entry in look.state.main if entry.name}
    own = look.state.facts["myhostname"].value
    entry = lines.get("myhostname")
    line, text = (entry.number, entry.text) if entry else (0, f"myhostname = {own}, as the system has it")
    if own and "." not in own:
        meaning = (
            f"{own} has no domain: other servers are greeted with it and many refuse that, and mydomain is a guess of "
            "Postfix's"
        )
        yield Finding(
            "main.cf, myhostname", line, text, meaning, "write the name that the DNS has for this server"
        )
        return
    taken = look.state.facts["mydestination"].value.replace(",", " ").split()
    elsewhere = (look.defaults or {}).get("elsewhere", "").replace(",", " ").split()
    if own and own not in (*taken, *elsewhere):
        there = lines.get("mydestination")
        line, text = (there.number, there.text) if there else (0, "mydestination")
        meaning = f"mail for this server's own name, {own}, is not taken: it 'loops back to myself'"
        yield Finding(
            "main.cf, mydestination", line, text, meaning, f"add {own} (or $myhostname) to mydestination"
        )
