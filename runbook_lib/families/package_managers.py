"""Package managers as data: apt of Debian, dnf and yum of Enterprise Linux."""

from runbook_lib.families.family import PackageManager

# Of addresses, what a connection goes to.
_ORIGIN = "sed 's|^\\(https*://[^/]*\\)/.*|\\1|' | sort -u"
_APT_PROXY = (
    """apt-config dump | sed -n 's/^Acquire::https\\{0,1\\}::Proxy "\\(http[^"]*\\)";/\\1/p' | sort -u"""
)
_APT_SOURCES = "apt-get update --print-uris | sed -n \"s/^'\\([^']*\\)'.*/\\1/p\""

APT = PackageManager(
    command="apt-get",
    installed="dpkg-query -W -f '${{db:Status-Abbrev}}\\t${{Package}}\\n' {names} 2>/dev/null"
    " | awk '$1 ~ /^.i$/ {{ print $2 }}'",  # on hold it is 'hi', and as much there (dpkg-query(1))
    versions="dpkg-query -W -f '${{Package}}: ${{Version}}\\n' {names} 2>/dev/null",
    # Without the options apt-cache writes its cache, and a look writes nothing (apt-cache(8)).
    candidate="LC_ALL=C apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy {names}"
    " | awk '/^[^ ]/ {{ name = $1 }} /Candidate:/ {{ print name, $2 }}'",
    # Packages that only a refresh would make known are none that apt-get refuses.
    refused="p=$(LC_ALL=C apt-get -s -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= install -y "
    "--no-install-recommends {names} 2>&1 < /dev/null | grep '^E: ' "
    "| grep -v -e 'Unable to locate package' -e 'has no installation candidate'); "
    'if [ -n "$p" ]; then {{ printf \'%s\\n\' "$p" | sed "s/^E: //; s/[.]$//"; apt-mark showhold {names} '
    '| sed "s/^/on hold: /"; }} | paste -s -d ";" | sed "s/;/; /g"; fi',
    refresh="apt-get -q -o DPkg::Lock::Timeout=120 update",
    # Settings that somebody edited stay, and dpkg, which nobody could answer, asks nothing (dpkg(1), --force-confold).
    install="export DEBIAN_FRONTEND=noninteractive\n"
    "apt-get -q -o DPkg::Lock::Timeout=120 -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold "
    "install -y --no-install-recommends {names}",
    functions="packages.apt.sh",
    sources=f'p=$({_APT_PROXY}); if [ -n "$p" ]; then echo "$p"; else {_APT_SOURCES} | {_ORIGIN}; fi',
    locks="/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock",
    unfinished="dpkg --audit | head -n 1",
    complete="DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a",
    broken="dpkg --audit",
    mend="dpkg --configure -a",
    # Debian policy, 11.6: a mail server provides mail-transport-agent, and conflicts with every other one.
    rivals="dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Provides}\\n'"
    " | awk -F '\\t' '$1 ~ /^.i/ && $2 != \"postfix\" && $3 ~ /(^|[ ,])mail-transport-agent/ { print $2 }'",
)

_RPM_INSTALLED = "LC_ALL=C rpm -q --qf '%{{NAME}}\\n' {names} 2>/dev/null | grep -v ' is not installed'"
# -C: from what is cached; nothing is fetched (dnf(8), yum(8)). Anybody but root gets a cache of their own, so they
# are not asked.
_RPM_CANDIDATE = (
    "test $(id -u) -eq 0 && LC_ALL=C {command} -C -q list available {{names}} 2>/dev/null"
    ' | awk \'$1 ~ /[.]/ && NF >= 2 {{{{ sub(/[.][^.]*$/, "", $1); sub(/^[0-9]*:/, "", $2); print $1 ":", $2 }}}}\''
)
_RPM_VERSIONS = (
    "LC_ALL=C rpm -q --qf '%{{NAME}}: %{{VERSION}}-%{{RELEASE}}\\n' {names} 2>/dev/null | grep ': '"
)
_DNF_SOURCES = """cat /etc/yum.repos.d/*.repo | awk -F' *= *' '
  /^\\[/ { if (on && url) print url; on = 1; url = "" }
  $1 == "enabled" && $2 ~ /^(0|[Ff]alse|[Nn]o)$/ { on = 0 }
  $1 ~ /^(baseurl|mirrorlist|metalink)$/ { url = $2 }
  END { if (on && url) print url }'"""
_RPM_SOURCES = (
    "p=$(sed -n 's/^proxy *= *//p' /etc/dnf/dnf.conf /etc/yum.conf 2>/dev/null | head -n 1)\n"
    f'if [ -n "$p" ]; then echo "$p"; else {_DNF_SOURCES} | {_ORIGIN}; fi'
)
_RPM_LOCKS = """"$(rpm -E '%{_dbpath}' 2>/dev/null)/.rpm.lock\""""

DNF = PackageManager(
    command="dnf",
    installed=_RPM_INSTALLED,
    versions=_RPM_VERSIONS,
    candidate=_RPM_CANDIDATE.format(command="dnf"),
    refresh="",
    install="dnf -q -y --setopt=install_weak_deps=False install {names}",
    functions="packages.dnf.sh",
    sources=_RPM_SOURCES,
    locks=_RPM_LOCKS,
)

# CentOS 7 has it alone; from 8 on it is another name of dnf. It knows no weak dependencies.
YUM = PackageManager(
    command="yum",
    installed=_RPM_INSTALLED,
    versions=_RPM_VERSIONS,
    candidate=_RPM_CANDIDATE.format(command="yum"),
    refresh="",
    install="yum -q -y install {names}",
    functions="packages.dnf.sh",
    sources=_RPM_SOURCES,
    locks=_RPM_LOCKS,
)
