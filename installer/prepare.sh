# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and ./test: installs what is missing, configures and builds. Everything that it
# says goes to standard error, so that `./run STUDY --json -` can be parsed.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 3
}

# Prints the packages of debian-packages.txt that are not installed.
missing_packages() {
  local wanted installed
  wanted=$(grep -v '^#' "$root/installer/debian-packages.txt")
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | awk '$1 == "installed" {print $2}')
  comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed")
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "note: this is not a Debian system; installer/debian-packages.txt lists what the build needs"
    return
  fi
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "Debian packages to install:" $missing
  local elevate=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and there is no sudo; as root run: apt-get install" $missing
    elevate=(sudo)
    if [ -t 0 ] && [ -t 2 ]; then
      local answer
      read -r -p "Install them with sudo? [Y/n] " answer
      case "$answer" in "" | [Yy]*) ;; *) fail "nothing was installed" ;; esac
    fi
  fi
  local log
  log=$(mktemp)
  if ! { "${elevate[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive \
    "${elevate[@]}" apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "the packages could not be installed (whole log: $log)"
  fi
  rm -f "$log"
}

# GPU code for the card that is here; one architecture where there is none keeps the build short.
cuda_architectures() {
  local capability=""
  if command -v nvidia-smi >/dev/null; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | tr -d .)
  fi
  if [ -z "$capability" ]; then
    echo 90a-real
  else
    sed 's/^90$/90a/; s/$/-real/' <<<"$capability" | paste -sd ';'
  fi
}

configure() {
  local extra=()
  [ -n "${CI:-}" ] && extra+=(-DLATHE_WERROR=ON)
  if [ ! -f "$build/build.ninja" ] || ! grep -q "CMAKE_HOME_DIRECTORY:INTERNAL=$root$" "$build/CMakeCache.txt"; then
    say "Configuring in $build"
    cmake --preset workbench -B "$build" -S "$root" "-DLATHE_CUDA_ARCHITECTURES=$(cuda_architectures)" "${extra[@]}" >&2 ||
      fail "the build could not be configured; see the lines above"
  fi
}

# build_targets TARGET... ; quiet when there is nothing to do.
build_targets() {
  if ! cmake --build "$build" --target "$@" >"$build/build.log" 2>&1; then
    grep -A 12 -m 3 -E 'error|FAILED|undefined reference' "$build/build.log" >&2 || tail -n 30 "$build/build.log" >&2
    fail "the build failed (whole log: $build/build.log)"
  fi
  if [ -n "${CI:-}" ] && grep -q 'warning:' "$build/build.log"; then
    grep -m 5 'warning:' "$build/build.log" >&2
    fail "the build gave warnings"
  fi
}
