# rpm with dnf, or with yum where that alone is there (packages_with says which), for packages.sh.

packages_now() { rpm -qa --qf '%{NAME}\n' | sort -u; }

packages_lock() { say "$(rpm -E '%{_dbpath}')/.rpm.lock"; }

# Names in the table of a transaction that is not made: those under headings that begin with $1.
_in_transaction() { awk -v under="^$1" '/^[A-Z]/ { on = $0 ~ under } on && /^ [^ ]/ { print $1 }' | sort -u; }

_if_asked() { LC_ALL=C "$packages_with" --assumeno --setopt=clean_requirements_on_remove=0 "$@" 2>/dev/null </dev/null; }

# What an install of "$@" will bring, by name.
packages_brought() { _if_asked --setopt=install_weak_deps=False install "$@" | _in_transaction Installing; }

# What is removed leaves settings behind under another name; no package is known without being there.
packages_known() { :; }
packages_half() { :; }
packages_settings() { :; }

packages_mend() { :; }

# All that would go with "$@".
packages_going() { _if_asked remove "$@" | _in_transaction Removing; }

packages_files() { rpm -ql "$1"; }

packages_own() { rpm -qf "$1" >/dev/null 2>&1; }

# rpm moves settings that somebody changed to NAME.rpmsave, also over one that is there.
packages_changed() {
    for _package; do
        rpm -V "$_package" | awk '$1 ~ /5/ && $2 == "c" { print $3 }'
    done
}

packages_overwrite() {
    for _path in $(packages_changed "$@"); do
        if [ -e "$_path.rpmsave" ]; then printf '%s ' "$_path.rpmsave"; fi
    done
}

packages_remove() { "$packages_with" -q -y --setopt=clean_requirements_on_remove=0 remove "$@"; }

# What others made in folders of a service that is gone stays, and is named.
packages_settled() {
    for _package in $(cat "$J/$1.brought"); do
        _of=$(service_of "$_package")
        if [ -z "$_of" ] || there "$J/$1.kept.before$("${_of}_settings")" || rpm -q "$_package" >/dev/null 2>&1; then continue; fi
        "${_of}_strange" > "$J/$1.strange.log"
        while IFS= read -r _path; do kept "$_path: made by somebody else"; done < "$J/$1.strange.log"
    done
}
