# Sourced by ./run and ./test, which set `root`: makes .venv and installs what is missing, in a moment when all is there.
# All that it says goes to stderr, so that the output of `./run COMMAND` is the command's alone.

python=$root/.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

# Runs a command as root, without asking for a password. 1: we may not.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Prints those of the named Debian packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

# Installs the named Debian packages that are missing, or names them.
install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "This is not Debian: see that you have what these packages hold: $*"
        return 1
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "Installing Debian packages: $missing"
    # shellcheck disable=SC2086  # a list of words
    if as_root true 2>/dev/null &&
        as_root apt-get update -qq </dev/null >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null; then
        return 0
    fi
    say "Could not install them. As root: apt-get install $missing"
    return 1
}

# Prints the first Python that is new enough for requirements.txt.
find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.12 python3.11 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    local found
    if "$python" -m pip --version >/dev/null 2>&1; then return 0; fi
    rm -rf "$root/.venv"  # half made, or of a Python that is gone
    if ! found=$(find_python); then
        install_packages python3 python3-venv || true
        found=$(find_python) || { say "Python 3.11 or newer is needed."; return 1; }
    fi
    # Debian's Python comes without ensurepip unless python3-venv is there.
    if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
        install_packages python3-venv || return 1
    fi
    say "Making .venv with $found"
    "$found" -m venv "$root/.venv" >&2
}

# Installs what a file of requirements names, or does nothing where it was installed before.
install_requirements() {
    local file=$root/$1 name=${1%.txt} stamp wanted quiet=--quiet
    stamp=$root/.venv/${name//\//-}.stamp  # checksum of what is installed
    wanted=$(cksum <"$file")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return 0; fi
    say "Installing the Python packages of $1; the first time takes some minutes"
    if [ -t 2 ]; then quiet=; fi
    # shellcheck disable=SC2086  # empty, or one option
    "$python" -m pip install --no-input $quiet -r "$file" </dev/null >&2 || return 1
    printf '%s\n' "$wanted" >"$stamp"
}

# set_up [FILE...]  FILE: requirements beyond those of the app
set_up() {
    local file
    # shellcheck disable=SC2046  # a list of words
    install_packages $(cat "$root/packages.txt") || true
    make_venv || return 1
    for file in requirements.txt "$@"; do
        install_requirements "$file" || return 1
    done
}
