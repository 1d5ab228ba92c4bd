# sh check.sh SIGNERS [STREAM:N:SHA256 ...]
# SIGNERS: your own copy of the list of signers; - where the site signs nothing.
# STREAM:N:SHA256: a line of the chain that was kept elsewhere (a ticket, a log server, a mail).
# TSA=FILE before it: your own copy of the roots by which time-stamps are checked; else those of the archive.
# It needs sh, ssh-keygen (OpenSSH 8.9 or later), sha256sum, find, sort, diff, cut, sed, grep, cat, tail; for time-stamps
# openssl and date. It changes nothing.
LC_ALL=C TZ=UTC0
export LC_ALL TZ
[ $# -ge 1 ] || { echo "usage: sh check.sh SIGNERS [STREAM:N:SHA256 ...]"; exit 2; }
signers=$1
shift
case $signers in -|/*) ;; *) signers=$PWD/$signers ;; esac
case ${TSA:-} in ""|/*) ;; *) TSA=$PWD/$TSA ;; esac
cd "$(dirname "$0")/records" || exit 2
bad=0
t=$(mktemp -d) || exit 2
trap 'rm -rf "$t"' EXIT
wrong() { echo "WRONG $*"; bad=$((bad + 1)); }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$2"; }
sum() { sha256sum < "$1" | cut -c1-64; }

# Whether approval $1 is by who signed run $r: the same person ($who), or the same key ($key).
is_operators() {
    [ "$(field approver "$1")" = "$who" ] || { [ -n "$key" ] && [ "$key" = "$(cat "$t/key.$1" 2>/dev/null)" ]; }
}

# Whether the chain says that the files of run $1 were deleted, since their time was over.
is_expired() { grep -q "\"kind\":\"expired\",\"n\":[0-9]*,\"run\":\"$1\"}\$" "$t/chain"; }

# Whether the chain says that file $2 of run $1 was deleted, with all others or alone.
is_deleted() {
    is_expired "$1" ||
        { [ ! -e "$1/$2" ] && grep -F "\"path\":\"$2\",\"reason\":" "$t/chain" | grep -qF "\"run\":\"$1\",\"sha256\":"; }
}

# When approval $1 was taken in, by the chain.
taken_in() {
    sed -n "s/^[^ ]* [0-9]* \([^ ]*\) .*\"kind\":\"approval\",\"n\":[0-9]*,\"number\":${1#approval.},.*/\1/p" "$t/chain" | head -1
}

# Check standing approval $f of run $r, which was bound to its plan at $at on $hosts: good then, for that operator and those
# hosts, and the plan has no kind of change beside those of a renewal.
check_standing() {
    [ ! "$(taken_in "$f")" \> "$at" ] && [ ! "$at" \> "$(field until "$f")" ] || wrong "$r: $f was not good then"
    [ "$signers" = - ] ||
        ssh-keygen -Y verify -f "$signers" -I "$(field approver "$f")" -n approve@runbook -s "$f.sig" < "$f" \
            -O "verify-time=$(echo "$at" | tr -d ':T-' | cut -c1-14)" > /dev/null 2>&1 || wrong "$r: $f was not good then"
    case $(field principal "$r/run.json") in ''|"$(field operator "$f")") ;; *) wrong "$r: $f is for another operator" ;; esac
    named=$(sed -n 's/.*"hosts":\[\([^]]*\)\].*/\1/p' "$f")
    for host in $(echo "$hosts" | tr ',' ' '); do
        case ",$named," in *",$host,"*) ;; *) grep -q '"hosts":"all"' "$f" || wrong "$r: $f is not about $host" ;; esac
    done
    for e in $(grep -ls "\"decision\":\"refuse\",\"ends\":\"$(sum "$f")\"" approval.[0-9]*); do
        [ "$(taken_in "$e")" \> "$at" ] || wrong "$r: $f had been ended by $e"
    done
    is_deleted "$r" plan.json && return
    tr ',{' '\n\n' < "$r/plan.json" | sed -n 's/^"kind":"\([^"]*\)".*/\1/p' |
        grep -vxE 'CertificateToIssue|CsrChange|MadeOnHost|TakenUp|KeyPairChange' > "$t/o" && wrong "$r: more than $f approves: $(sort -u "$t/o" | tr '\n' ' ')"
    grep -q '"new_key":true' "$f" || ! grep -q '"kind":"KeyPairChange"' "$r/plan.json" || wrong "$r: $f approves no new key"
}

# Check the time-stamp of run $1.
check_stamp() {
    said=$(grep "\"kind\":\"stamped\",.*\"run\":\"$1\",\"tsr\":\"$(sum "$1/SHA256SUMS.tsr")\"}\$" "$t/chain")
    roots=$(printf '%s\n' "$said" | tail -1 | sed -n 's/.*"roots":"\([0-9a-f]*\)".*/\1/p')
    [ -n "$roots" ] || { wrong "$1: the chain does not have its time-stamp"; return; }
    file=tsa-$(printf '%s\n' "$roots" | cut -c1-16).pem
    [ -f "$file" ] && [ "$(sum "$file")" = "$roots" ] || { wrong "$file: is not the one of the chain"; return; }
    command -v openssl > /dev/null || { echo "$1: time-stamp NOT CHECKED: openssl is not there"; return; }
    moment=$(openssl ts -reply -in "$1/SHA256SUMS.tsr" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
    if [ -n "$moment" ] && openssl ts -verify -data "$1/SHA256SUMS.sig" -in "$1/SHA256SUMS.tsr" \
        -CAfile "${TSA:-$file}" -attime "$(date -u -d "$moment" +%s)" 2>/dev/null | grep -qx 'Verification: OK'
    then echo "$1: time-stamped $moment"; else wrong "$1: its time-stamp is no good"; fi
}

find . -type l > "$t/links"
[ ! -s "$t/links" ] || wrong "a link: $(head -3 "$t/links" | tr '\n' ' ')"
: > "$t/chain"
for c in *.chain; do
    [ -f "$c" ] || continue
    prev=0000000000000000000000000000000000000000000000000000000000000000
    n=0 latest=
    while IFS= read -r line || [ -n "$line" ]; do
        n=$((n + 1))
        case $line in "$prev {"*) ;; *) wrong "$c: line $n does not follow the one before"; break ;; esac
        # A clock may be set back: a line is not earlier than the one before it.
        at=${line#*'"at":"'} at=${at%%'"'*}
        [ ! "$at" \> "$latest" ] || latest=$at
        printf '%s %s %s %s\n' "${c%.chain}" "$n" "$latest" "$line" >> "$t/chain"
        prev=$(printf '%s\n' "$line" | sha256sum | cut -c1-64)
        for head in "$@"; do
            case $head in "${c%.chain}:$n:"*) case $prev in "${head##*:}"*) ;; *)
                wrong "$c: line $n is not the one that was kept elsewhere" ;; esac ;; esac
        done
    done < "$c"
    case " $* " in "  "|*" ${c%.chain}:"*) ;; *) wrong "$c: no head of it was kept elsewhere" ;; esac
    [ -z "$(tail -c1 "$c")" ] || wrong "$c: its last line is cut off"
    for head in "$@"; do
        rest=${head#*:}
        case $head in "${c%.chain}:"*) [ "$n" -ge "${rest%%:*}" ] || wrong "$c: has $n lines, and had ${rest%%:*}" ;; esac
    done
    echo "$c: $n lines, head ${c%.chain}:$n:$prev"
done
for head in "$@"; do [ -f "${head%%:*}.chain" ] || wrong "${head%%:*}.chain: is missing"; done

# latest run sums stream n prev, the oldest first
sed -n 's/^\([^ ]*\) \([0-9]*\) \([^ ]*\) \([0-9a-f]*\) {"at":"[^"]*","kind":"seal","n":[0-9]*,"run":"\([^"]*\)","sums":"\([0-9a-f]*\)"}$/\3 \5 \6 \1 \2 \4/p' "$t/chain" | sort -s -k 1,1 > "$t/seals"
sed -n 's/.*"kind":"begin","n":[0-9]*,"run":"\([^"]*\)"}$/\1/p' "$t/chain" | sort -u > "$t/begun"
# latest run begin|seal, the oldest first: a run whose last line is of its beginning went on after its seal
sed -n -e 's/^[^ ]* [0-9]* \([^ ]*\) .*"kind":"begin","n":[0-9]*,"run":"\([^"]*\)"}$/\1 \2 begin/p' -e 's/^[^ ]* [0-9]* \([^ ]*\) .*"kind":"seal","n":[0-9]*,"run":"\([^"]*\)",.*/\1 \2 seal/p' "$t/chain" | sort -s -k 1,1 > "$t/turns"
sed -n 's/.*"kind":"found","n":[0-9]*,"runs":{\(.*\)}}$/\1/p' "$t/chain" | tr ',' '\n' | sed 's/"//g; /^$/d' > "$t/found"
cut -d' ' -f2 "$t/seals" | sort -u > "$t/sealed"
ls -d */ 2>/dev/null | sed 's:/$::' | sort > "$t/there"
cut -d: -f1 "$t/found" | sort -u - "$t/begun" "$t/sealed" > "$t/known"
diff "$t/known" "$t/there" > "$t/o" || wrong "runs of the chain (<) and folders (>): $(grep '^[<>]' "$t/o" | tr '\n' ' ')"
for r in $(cat "$t/begun"); do
    grep -qxF -e "$r" "$t/sealed" || { wrong "$r: was begun and never sealed"; continue; }
    case $(grep -F " $r " "$t/turns" | tail -1) in *" begin") wrong "$r: went on after its seal, and was not sealed again" ;; esac
done

for f in $(ls | grep '^signers\.[0-9]*$'); do
    grep -q "\"kind\":\"signers\",.*\"number\":${f#signers.},\"sha256\":\"$(sum "$f")\",\"sig\":\"$(sum "$f.sig")\"}\$" "$t/chain" || wrong "$f: is not the one of the chain"
done

for f in $(ls | grep -xE '(approval|policy)\.[0-9]+'); do
    case $f in approval.*) ns=approve@runbook ;; *) ns=signers@runbook ;; esac
    [ -f "$f.sig" ] || { wrong "$f: its signature is missing"; continue; }
    who=$(sed -n "s/.*\"by\":\"\([^\"]*\)\",\"kind\":\"${f%.*}\",\"n\":[0-9]*,\"number\":${f#*.},.*\"sha256\":\"$(sum "$f")\",\"sig\":\"$(sum "$f.sig")\"}\$/\1/p" "$t/chain" | head -1)
    case $who in ''|-*) wrong "$f: is not the one of the chain"; continue ;; esac
    [ "$ns" = signers@runbook ] || [ "$(field approver "$f")" = "$who" ] || wrong "$f: is by another than the chain says"
    at=$(field at "$f" | tr -d ':T-' | cut -c1-14)
    if [ "$signers" = - ]; then echo "$f: says that $who signed it, NOT CHECKED"
    elif ssh-keygen -Y verify -f "$signers" -I "$who" -n "$ns" -O "verify-time=$at" -s "$f.sig" < "$f" > "$t/o" 2>&1; then
        echo "$f: $(cat "$t/o")"
        sed 's/.* //' "$t/o" > "$t/key.$f"
    else wrong "$f: $who: $(tr -s '\r\n' ' ' < "$t/o")"; fi
done
for f in $(sed -n 's/.*"kind":"\([ap][a-z]*\)","n":[0-9]*,"number":\([0-9]*\),.*/\1.\2/p' "$t/chain"); do
    [ -f "$f" ] || wrong "$f: is missing"
done
# run plan at hosts numbers
sed -n 's/^[^ ]* [0-9]* \([^ ]*\) [^{]*{"approvals":\[\([0-9,]*\)\],"at":"[^"]*","chapters":\[[^]]*\],"hosts":\[\([^]]*\)\],"kind":"bound","n":[0-9]*,"plan":"\([0-9a-f]*\)","run":"\([A-Za-z0-9._-]*\)"}$/\5 \4 \1 \3 \2/p' "$t/chain" > "$t/bound"
while read -r r plan at hosts numbers; do
    is_deleted "$r" plan.json || { [ -f "$r/plan.json" ] && [ "$(sum "$r/plan.json")" = "$plan" ]; } || wrong "$r: its plan is not the one that it was bound to"
    for f in $(echo "$numbers" | sed 's/[0-9][0-9]*/approval.&/g; s/,/ /g'); do
        [ -f "$f" ] || continue
        if grep -q '"decision":"standing"' "$f"; then check_standing
        else grep -q "\"decision\":\"approve\",.*\"plan\":\"$plan\"" "$f" || wrong "$r: $f does not approve its plan"; fi
    done
done < "$t/bound"

for r in $(cat "$t/there"); do
    case $r in -*|*[!A-Za-z0-9._-]*) wrong "$r: no run has such a name"; continue ;; esac
    last=$(grep -F " $r " "$t/seals" | tail -1)
    if [ -z "$last" ]; then
        if [ -f "$r/manifest.json" ] && grep -qxF -e "$r:$(sum "$r/manifest.json")" "$t/found"; then
            sed -n '/"path": /{s/.*"path": "\(.*\)",$/\1/;h;};/"sha256": /{s/.*: "\(.*\)",*$/\1/;G;s/\n/  /;p;}' "$r/manifest.json" > "$t/sums"
            ( cd "$r" && sha256sum -c --strict --quiet "$t/sums" ) > "$t/o" 2>&1 || wrong "$r: $(head -3 "$t/o" | tr '\n' ' ')"
            cut -c67- "$t/sums" | sort > "$t/listed"
            ( cd "$r" && find . ! -type d | cut -c3- | grep -vxE 'manifest.json|undone.json' | sort ) > "$t/files"
            diff "$t/listed" "$t/files" > "$t/o" || wrong "$r: listed (<) and there (>): $(grep '^[<>]' "$t/o" | head -3 | tr '\n' ' ')"
            echo "$r: before the chain; as its manifest says, which is as the chain found it"
        else wrong "$r: no seal of it is in the chain"; fi
        continue
    fi
    set -- $last
    [ -f "$r/SHA256SUMS" ] && [ -f "$r/run.json" ] || { wrong "$r: SHA256SUMS or run.json is missing"; continue; }
    [ "$(sum "$r/SHA256SUMS")" = "$3" ] || wrong "$r: SHA256SUMS is not the one of the chain"
    # What vouches for a run stays when its files have expired.
    if is_expired "$r"; then
        echo "$r: its files were deleted, since their time was over"
        grep -E '^.{66}(run\.json(\.[0-9]+)?|SHA256SUMS\.[0-9]+(\.[a-z]+)?|.+\.redacted)$' "$r/SHA256SUMS" > "$t/sums"
    else cat "$r/SHA256SUMS" > "$t/sums"; fi
    ( cd "$r" && sha256sum -c --strict --quiet "$t/sums" ) > "$t/o" 2>&1 || wrong "$r: $(grep -v WARNING "$t/o" | head -3 | tr '\n' ' ')"
    cut -c67- "$t/sums" | sort > "$t/listed"
    grep '\.redacted$' "$t/listed" > "$t/told"
    sed -n "s/.*\"kind\":\"redacted\",\"n\":[0-9]*,\"path\":\"\([^\"]*\)\",.*\"run\":\"$r\",\"sha256\":.*/\1.redacted/p" "$t/chain" | sort -u > "$t/redacted"
    diff "$t/told" "$t/redacted" > "$t/o" || wrong "$r: redactions that are there (<) and those of the chain (>): $(grep '^[<>]' "$t/o" | tr '\n' ' ')"
    while IFS= read -r f; do
        entry=$(sed 's/^[^{]*//' "$t/chain" | grep -F "\"path\":\"${f%.redacted}\",\"reason\":" | grep -F "\"run\":\"$r\",\"sha256\":" | tail -1)
        if [ -n "$entry" ] && [ "$(cat "$r/$f")" = "$entry" ]; then echo "$r: was redacted: $entry"
        else wrong "$r: $f: is not as the chain has it"; fi
    done < "$t/told"
    ( cd "$r" && find . ! -type d | cut -c3- | grep -vxE 'SHA256SUMS(\.sig|\.tsr)?' | sort ) > "$t/files"
    diff "$t/listed" "$t/files" > "$t/o" || wrong "$r: listed (<) and there (>): $(grep '^[<>]' "$t/o" | head -3 | tr '\n' ' ')"
    grep -qF "\"chain\":{\"n\":$5,\"prev\":\"$6\",\"stream\":\"$4\"}" "$r/run.json" || wrong "$r: the seal is not at the place that run.json names"
    [ "$(field run "$r/run.json")" = "$r" ] || wrong "$r: run.json is of another run"
    for earlier in $(grep -F " $r " "$t/seals" | sed '$d' | cut -d' ' -f3); do
        grep -q "^$earlier  SHA256SUMS\.[0-9]*\$" "$r/SHA256SUMS" || wrong "$r: an earlier seal is not kept"
    done
    until=$(field review_by "$r/run.json")
    who=$(field principal "$r/run.json")
    key=
    at=$(field sealed_at "$r/run.json" | tr -d ':T-' | cut -c1-14)
    if [ -f "$r/SHA256SUMS.sig" ]; then
        grep -q "\"kind\":\"signed\",.*\"run\":\"$r\",\"sig\":\"$(sum "$r/SHA256SUMS.sig")\"}\$" "$t/chain" || wrong "$r: the chain does not have its signature"
        if [ "$signers" = - ]; then echo "$r: whole; says that $who signed it, NOT CHECKED"
        elif ssh-keygen -Y verify -f "$signers" -I "$who" -n run@runbook -O "verify-time=$at" -s "$r/SHA256SUMS.sig" < "$r/SHA256SUMS" > "$t/o" 2>&1; then
            echo "$r: $(cat "$t/o")"
            key=$(sed 's/.* //' "$t/o")
        else wrong "$r: $who: $(tr -s '\r\n' ' ' < "$t/o")"; fi
    elif grep -F "\"run\":\"$r\"," "$t/chain" | grep -E '"kind":"(seal|signed)"' | tail -1 | grep -q '"kind":"signed"'; then
        wrong "$r: its signature is missing"
    elif [ "$signers" = - ] && ! grep -q '"signing":"required"' "$r/run.json"; then
        echo "$r: unsigned"
    else wrong "$r: unsigned"; fi
    for f in $(grep "^$r " "$t/bound" | cut -d' ' -f5 | sed 's/[0-9][0-9]*/approval.&/g; s/,/ /g'); do
        is_operators "$f" && wrong "$r: $f is by the operator"
    done
    if [ -n "$until" ]; then
        reviewed=no
        for f in $(grep -lsE "\"decision\":\"review\".*\"run\":\"$r\",\"sums\":\"$3\"" approval.[0-9]*); do
            is_operators "$f" || reviewed=yes
        done
        [ $reviewed = yes ] || echo "OPEN $r: made without approval, to be reviewed by $until"
    fi
    if [ -f "$r/SHA256SUMS.tsr" ]; then check_stamp "$r"
    elif grep -F "\"run\":\"$r\"," "$t/chain" | grep -E '"kind":"(seal|signed|stamped)"' | tail -1 | grep -q '"kind":"stamped"'; then
        wrong "$r: its time-stamp is missing"
    fi
done
if [ "$bad" = 0 ]; then echo "WHOLE"; else echo "NOT WHOLE: $bad wrong"; exit 1; fi
