# shellcheck shell=bash disable=SC2034   # a library: its variables are for those who source it
# Sourced by the scripts in this folder: where things are, how to speak, how to install a Debian package.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/.build        # everything that is made goes here
tree=$build/php84         # the private PHP 8.4 with Laravel and PHPUnit
suite=${KQUEUE_SUITE:-forky}    # the Debian suite that it comes from

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'kqueue: %s\n' "$*" >&2; exit 1; }

# Paths end up in wrappers, in compiler flags and in ini settings, which all quote differently.
[[ $root =~ ^[A-Za-z0-9/._+@=-]+$ ]] ||
  die "the checkout's path may hold letters, digits and / . _ + @ = - only, but is: $root"

# Sets php, php_config, extensions (the folder that holds kqueue.so) and tested (what tests run as PHP) for a version or a way to check.
use_php() {
  php=$tree/bin/php php_config=$tree/bin/php-config extensions=$build/ext/$1
  case ${1:-} in
    8.4) tested=$php ;;
    8.2) php=/usr/bin/php8.2 php_config=/usr/bin/php-config8.2 tested=/usr/bin/php8.2 ;;
    host) php=$(command -v php || true) php_config=$(command -v php-config || true) tested=$php ;;    # whichever it has, 8.2 to 8.5
    valgrind) extensions=$build/ext/8.4 tested=$root/tools/checked-php ;;
    asan) tested=$root/tools/checked-php ;;
    debug) php=$build/php-debug/bin/php php_config=$build/php-debug/bin/php-config tested=$build/php-debug/bin/php ;;
    *) die "give a PHP version, 8.4 or 8.2, 'host' for the one on the path, or a way to check: valgrind, asan or debug" ;;
  esac
  export KQUEUE_CHECK=$1    # for tools/checked-php
}

# Installs those of the given Debian packages that are missing. Says nothing, and needs no root, if there are none.
need_packages() {
  local missing=() package known
  known=$(dpkg-query -W -f '<${Package} ${db:Status-Status}>' "$@" 2>/dev/null) || true
  for package; do
    [[ $known == *"<$package installed>"* ]] || missing+=("$package")
  done
  (( ${#missing[@]} )) || return 0

  say "installing ${missing[*]}"
  (( EUID == 0 )) || die "not root: please run 'apt-get install --no-install-recommends ${missing[*]}' as root, then try again"
  mkdir -p "$build"
  apt-get -qq update || die "'apt-get update' failed: are the package sources of this machine reachable?"
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
    install "${missing[@]}" >"$build/apt.log" 2>&1 </dev/null || {
    tail -n 20 "$build/apt.log" >&2
    die "apt-get could not install: ${missing[*]} (all of its output: $build/apt.log)"
  }
}

# Where this machine's own Debian comes from; the other suites are there too.
debian_archive() {
  local archive
  archive=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "main" && $2 !~ /security/ && !found { found = $2 } END { print found }')
  [[ $archive ]] || die "apt has no source with a 'main' component: see /etc/apt/sources.list.d"
  echo "$archive"
}

# The first file that a pattern names, or nothing.
first_of() { compgen -G "$1" | head -n 1 || true; }

# An apt of its own in a folder, which leaves the machine's alone: for packages (deb) or sources (deb-src) of $suite.
private_apt() {
  local apt=$1 kind=$2 keyring archive
  keyring=$(first_of '/usr/share/keyrings/debian-archive-keyring.[gp][gp][gp]')
  [[ $keyring ]] || die "no Debian archive keys in /usr/share/keyrings: is this Debian? 'apt-get install debian-archive-keyring' may help"
  archive=$(debian_archive)

  mkdir -p "$apt"/{etc/apt.conf.d,etc/preferences.d,state/lists/partial,debs/partial,log}
  : >"$apt/state/status"      # nothing counts as installed, so everything that is needed is fetched
  echo "$kind [signed-by=$keyring] $archive $suite main" >"$apt/etc/sources.list"
  # A testing suite's index is at times past its use-by date. Only that date is not checked; signatures are.
  {
    apt-config dump | grep '^Acquire::' || true      # this machine's proxies and the like
    cat <<CONF
Dir "$apt";
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/debs";
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Log "$apt/log";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
CONF
  } >"$apt/apt.conf"
  export APT_CONFIG=$apt/apt.conf
}

# One at a time. The lock ends with the process that took it, however that ends.
take_lock() {
  local lock
  mkdir -p "$build"
  exec {lock}>"$build/$1.lock"
  flock -n "$lock" || { say "waiting for another $1 to end"; flock "$lock"; }
}
