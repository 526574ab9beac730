# shellcheck shell=sh
# Sourced by the scripts of this folder, in the root of the checkout.

jobs=$(nproc)

say() { printf '\n== %s\n' "$*"; }

configure() { cmake --preset "$1" >"/tmp/coprotect-cmake.$$" || { cat "/tmp/coprotect-cmake.$$"; exit 1; }; rm -f "/tmp/coprotect-cmake.$$"; }

# build PRESET TARGET: quiet unless something is said or fails
build() { cmake --build --preset "$1" --target "$2" -j "$jobs" -- --quiet; }
