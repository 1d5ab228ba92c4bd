"""A line of master.cf is taken apart as master(8) takes it."""

from runbook_lib.mail.configuration import parse


def test_the_program_is_the_eighth_column_and_a_broken_line_has_none() -> None:
    whole, broken = parse.services(b"smtp inet n - y - - smtpd\n  -o a=b -v\nsubmission inet n - y - smtpd\n")
    assert (whole.name, whole.command, whole.broken, whole.words) == ("smtp/inet", "smtpd", "", ("-v",))
    assert [(option.name, option.value, option.number) for option in whole.options] == [("a", "b", 2)]
    assert (broken.command, broken.number) == ("", 3)
    assert broken.broken.startswith("it has 7 columns, and a service has 8")
