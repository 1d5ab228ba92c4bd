"""What chapter 2 wants of a mail server, setting by setting and service by service, and the plans that make it so."""
