# Sourced by the scripts beside it: finds a Python, and keeps one virtual environment in step with its lock files.

root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# Sets $python and $version, or $problem. A pyenv shim or a stub of an operating system may exist and still not run.
try_python() {
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 1
    case $version in
    3.1[1-9] | 3.[2-9][0-9]) ;;
    *)
        : "${problem:=Python 3.11 or newer is missing: found only Python $version ($1)}"
        return 1
        ;;
    esac
    if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        problem="the venv module of Python $version is missing: install it (Debian, Ubuntu: apt install python$version-venv)"
        return 1
    fi
    python=$1
}

find_python() {
    problem=
    if [ -n "${PYTHON:-}" ]; then
        try_python "$PYTHON" && return
        die "${problem:-PYTHON=$PYTHON does not run}"
    fi
    for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
        try_python "$candidate" && return
    done
    die "${problem:-Python 3.11 or newer is missing: install it, or name one with PYTHON=/path/to/python3}"
}

# What went wrong, in one line, from the log of the installation.
why_not() {
    if grep -qiE 'NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|SSLError|unreachable' "$1"; then
        echo "the package index cannot be reached (no network, or a proxy in between)"
    elif grep -q 'No space left' "$1"; then
        echo "the disk is full"
    else
        {
            echo "the installation failed"
            sed -n -e 's/^ERROR: //p' -e 's/^ *\([A-Za-z]*Error: \)/\1/p' "$1"
        } | tail -n 1
    fi
}

# use_venv DIRECTORY LOCK...: sets $venv, built anew when a lock, the project's metadata, its place or the Python changed.
use_venv() {
    find_python
    cd -- "$root"
    venv=$root/$1
    shift
    stamp="$root $version $(cat -- pyproject.toml "$@" | cksum)"
    [ "$(cat -- "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null && return
    echo "Preparing the environment (first run only, about a minute)…" >&2
    if ! build_venv "$@" >"$venv.log" 2>&1; then
        die "$(why_not "$venv.log"); details in ${venv##*/}.log"
    fi
    # Written last: an interrupted installation leaves no stamp, so the next run starts over.
    printf '%s\n' "$stamp" >"$venv/.stamp"
}

build_venv() {
    "$python" -m venv --clear -- "$venv" || return
    for lock in "$@"; do
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --retries 2 \
            --require-hashes --requirement "$lock" || return
    done
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        --no-deps --no-build-isolation --editable .
}
