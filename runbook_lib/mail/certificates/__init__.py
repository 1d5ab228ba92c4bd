"""The certificates that Postfix is told to show: which, what holds them in place, and who renews them."""
