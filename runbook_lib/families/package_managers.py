"""Package managers as data: apt of Debian, dnf and yum of Enterprise Linux."""

from runbook_lib.families import PackageManager

APT = PackageManager(
    command="apt-get",
    installed="dpkg-query -W -f '${{db:Status-Abbrev}}\\t${{Package}}\\n' {names} 2>/dev/null"
    " | awk '$1 == \"ii\" {{ print $2 }}'",
    # Without the options apt-cache writes its cache, and a look writes nothing (apt-cache(8)).
    candidate="LC_ALL=C apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy {names}"
    " | awk '/^[^ ]/ {{ name = $1 }} /Candidate:/ {{ print name, $2 }}'",
    refresh="apt-get -q -o DPkg::Lock::Timeout=120 update",
    install="export DEBIAN_FRONTEND=noninteractive\n"
    "apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends {names}",
    functions="packages.apt.sh",
    unfinished="dpkg --audit | head -n 1",
    complete="DEBIAN_FRONTEND=noninteractive dpkg --configure -a",
    # Debian policy, 11.6: a mail server provides mail-transport-agent, and conflicts with every other one.
    rivals="dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Provides}\\n'"
    " | awk -F '\\t' '$1 ~ /^ii/ && $2 != \"postfix\" && $3 ~ /(^|[ ,])mail-transport-agent/ { print $2 }'",
)

_RPM_INSTALLED = "LC_ALL=C rpm -q --qf '%{{NAME}}\\n' {names} 2>/dev/null | grep -v ' is not installed'"
# -C: from what is cached; nothing is fetched (dnf(8), yum(8)). Anybody but root gets a cache of their own, so they
# are not asked.
_RPM_CANDIDATE = (
    "test $(id -u) -eq 0 && LC_ALL=C {command} -C -q list available {{names}} 2>/dev/null"
    ' | awk \'$1 ~ /[.]/ && NF >= 2 {{{{ sub(/[.][^.]*$/, "", $1); sub(/^[0-9]*:/, "", $2); print $1 ":", $2 }}}}\''
)

DNF = PackageManager(
    command="dnf",
    installed=_RPM_INSTALLED,
    candidate=_RPM_CANDIDATE.format(command="dnf"),
    refresh="",
    install="dnf -q -y --setopt=install_weak_deps=False install {names}",
    functions="packages.dnf.sh",
)

# CentOS 7 has it alone; from 8 on it is another name of dnf. It knows no weak dependencies.
YUM = PackageManager(
    command="yum",
    installed=_RPM_INSTALLED,
    candidate=_RPM_CANDIDATE.format(command="yum"),
    refresh="",
    install="yum -q -y install {names}",
    functions="packages.dnf.sh",
)
