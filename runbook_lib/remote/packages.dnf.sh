# rpm with dnf, or with yum where that alone is there (packages_with says which), for packages.sh.

packages_now() { rpm -qa --qf '%{NAME}\n' | sort -u; }

packages_lock() { say "$(rpm -E '%{_dbpath}')/.rpm.lock"; }

# Names in the table of a transaction that is not made: those under headings that begin with $1.
_in_transaction() { awk -v under="^$1" '/^[A-Z]/ { on = $0 ~ under } on && /^ [^ ]/ { print $1 }' | sort -u; }

_if_asked() { LC_ALL=C "$packages_with" --assumeno --setopt=clean_requirements_on_remove=0 "$@" 2>/dev/null </dev/null; }

# What an install of "$@" will bring, by name.
packages_brought() { _if_asked --setopt=install_weak_deps=False install "$@" | _in_transaction Installing; }

packages_mend() { :; }

# All that would go with "$@".
packages_going() { _if_asked remove "$@" | _in_transaction Removing; }

packages_files() { rpm -ql "$1"; }

packages_own() { rpm -qf "$1" >/dev/null 2>&1; }

packages_remove() { "$packages_with" -q -y --setopt=clean_requirements_on_remove=0 remove "$@"; }
