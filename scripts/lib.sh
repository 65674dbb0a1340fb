# Shared by the scripts; sourced, not run. Needs bash 5.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
usage_error() {
    printf '%s: %s (see --help)\n' "${0##*/}" "$*" >&2
    exit 2
}

# missing_packages GROUP...: the packages of these groups that are not installed, one a line.
missing_packages() {
    local wanted
    wanted=$(awk -v groups=" $* " '!/^#/ && NF == 2 && index(groups, " " $1 " ") { print $2 }' "$top/scripts/packages" | sort -u)
    # shellcheck disable=SC2086  # one word a package
    comm -23 <(printf '%s\n' $wanted) \
        <(dpkg-query -W -f='${Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^install ok installed //p' | sort -u)
}

# install_packages GROUP...: nothing at all when nothing is missing.
install_packages() {
    command -v dpkg-query >/dev/null || die "this is not Debian: install what scripts/packages lists by hand, then use --no-install"
    local missing as_root=()
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [[ $missing ]] || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install --no-install-recommends $missing"
        as_root=(sudo)
    fi
    say "installing $missing"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
    local log
    log=$(mktemp)
    # Package lists may be absent (fresh machine) or old (files gone from the mirror): update once.
    # shellcheck disable=SC2086
    if ! "${apt[@]}" install -y --no-install-recommends $missing </dev/null >"$log" 2>&1; then
        say "updating the package lists"
        "${apt[@]}" update </dev/null >"$log" 2>&1 &&
            "${apt[@]}" install -y --no-install-recommends $missing </dev/null >"$log" 2>&1 ||
            { tail -n 20 "$log" >&2; rm -f "$log"; die "apt-get failed"; }
    fi
    rm -f "$log"
}

# build_folder PRESET: where CMakePresets.json puts it.
build_folder() {
    if [[ $1 == release ]]; then echo "$top/build"; else echo "$top/build-$1"; fi
}
