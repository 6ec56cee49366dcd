#!/usr/bin/env bash
# Installs the build dependencies besides Rust: a C++ compiler and libclang, for RocksDB and its bindings, and make.
# Does nothing if all are installed. Supports Debian and its derivatives; elsewhere it lists the packages and fails.
set -euo pipefail

have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    # libclang-cpp is another library, often installed without libclang.
    ldconfig -p 2>/dev/null | grep -q 'libclang\(-[0-9.]*\)\?\.so' && return 0
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null
}
have() { command -v "$1" >/dev/null 2>&1; }

if have c++ && have make && have_libclang; then
    exit 0
fi
if ! have apt-get; then
    echo "building needs a C++ compiler, make and libclang; install them with this system's package manager" >&2
    exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    have sudo || { echo "run as root: apt-get install g++ make libclang-dev" >&2; exit 1; }
    sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ make libclang-dev
