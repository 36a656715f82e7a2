#!/bin/sh
# Installs what a build needs in the containers of native/prebuild/targets.json, as root. Does nothing for what is there.
#
#     sh native/prebuild/containers/prepare.sh           installs
#     sh native/prebuild/containers/prepare.sh --path    prints the PATH with the container's newest compilers
set -eu

# Red Hat's newer compilers for an older system. Their C++ library is that system's; what is newer is linked statically.
toolset=$(ls -d /opt/rh/gcc-toolset-*/root/usr/bin 2>/dev/null | sort -t- -k3 -n | tail -1 || true)

if [ "${1:-}" = --path ]; then
    echo "${toolset:+$toolset:}$PATH"
    exit
fi

has() {
    command -v "$1" >/dev/null 2>&1
}

if has apk; then
    apk add --no-cache build-base cmake git linux-headers
elif has dnf; then
    # 13 is the newest that CUDA 12.8 and ggml's variants both take.
    [ -n "$toolset" ] || dnf install -y gcc-toolset-13-gcc-c++
    has cmake && has git && has make || dnf install -y cmake git make
    if ! has node; then
        dnf module enable -y nodejs:20
        dnf install -y nodejs npm
    fi
elif has apt-get; then
    apt-get update
    apt-get install -y --no-install-recommends ca-certificates cmake g++ git make
fi
