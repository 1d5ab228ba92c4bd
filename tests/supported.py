"""The lab's hosts on which the runbook is tested; the lab's own tests are over all of them."""

from lab.releases import RELEASES

HOSTS = tuple(release.name for release in RELEASES.values() if release.family == "debian")
