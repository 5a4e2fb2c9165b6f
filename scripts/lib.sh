# Shared functions of the scripts in this directory. Source it, do not run it.
#
# A script works in directories of its own: a copy of the source tree, a sandbox (a copy of the installed
# PostgreSQL, see scripts/sandbox) and a throwaway cluster with a Unix socket only. PostgreSQL refuses to run
# as root, so that root builds and runs all of it as the user postgres; anybody else as himself.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The caller's make and the caller's server are none of our business.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
pg_config=${PG_CONFIG:-pg_config}
for var in "${!PG@}"; do [ "$var" = PG_CONFIG ] || unset "$var"; done
# LANG, too: the TAP tests' servers are made without LC_ALL.
export LANG=C.UTF-8 LC_ALL=C.UTF-8

say() { printf '%s\n' "== $*"; }
die() { printf '%s\n' "$(basename "$0"): $*" >&2; exit 1; }

# Run a command as a user whom PostgreSQL accepts. The user postgres may come with a package only now.
if [ "$(id -u)" = 0 ]; then
	user() { id -un postgres 2>/dev/null || echo nobody; }
	as_user() {
		local user
		user=$(user)
		HOME=${work:-/tmp} USER=$user LOGNAME=$user \
			setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
	}
	own() { chown -R "$(user):" "$@"; }
	# The same in the background; $! is the command itself, which as_user COMMAND & would leave behind when it is ended.
	spawn() {
		local user
		user=$(user)
		HOME=${work:-/tmp} USER=$user LOGNAME=$user \
			setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@" &
	}
else
	as_user() { "$@"; }
	spawn() { "$@" & }
	own() { :; }
fi

# Run a command quietly; show what it said only if it fails.
quietly() {
	local log
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then rm -f "$log"; return; fi
	cat "$log" >&2
	rm -f "$log"
	die "failed: $*"
}

# work=a new directory that goes away with the script (KEEP=1 keeps it). Its name is short, because a socket
# below it may not exceed 107 bytes.
make_workdir() {
	local tmp=${TMPDIR:-/tmp}
	[ ${#tmp} -le 40 ] && as_user test -x "$tmp" || tmp=/tmp
	work=$(mktemp -d "$tmp/apikeys.XXXXXX")
	trap remove_workdir EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	mkdir "$work/tmp"
	chmod 755 "$work"
	own "$work"
	export TMPDIR=$work/tmp
	cd "$work"
}

remove_workdir() {
	trap '' HUP INT TERM
	cd /
	stop_servers "$work"
	# never into what is still mounted below it
	if [ -n "${KEEP:-}" ]; then say "kept: $work"; else rm -rf --one-file-system "$work"; fi
}

# Stop every server whose data directory lies below a directory, at once.
stop_servers() {
	local file pid
	while read -r file; do
		pid=$(head -n 1 "$file") || continue
		kill -QUIT "$pid" 2>/dev/null || continue
		for _ in {1..600}; do
			[ -e "$file" ] || break
			sleep 0.1
		done
	done < <(find "$1" -name postmaster.pid 2>/dev/null)
}

# Bring a copy of the source tree up to date. Times are kept and what was built stays, so that make does
# again only what changed; files that are gone here go there too.
copy_tree() {
	local to=$1
	mkdir -p "$to"
	find "$to" -type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' -delete
	(
		cd "$root"
		git -c safe.directory='*' ls-files -z -co --exclude-standard 2>/dev/null ||
			find . -path ./.git -prune -o -type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' -print0
	) | while IFS= read -r -d '' file; do
		[ ! -f "$root/$file" ] || printf '%s\0' "$file"
	done | tar -C "$root" --null -T - -cf - | tar -C "$to" -xf -
	own "$to"
}

# install_into SANDBOX BUILD [MAKE ARGUMENTS]: build a copy of the tree, install it into the sandbox.
install_into() {
	local build=$2 to
	to=$(cat "$1/pg_config")
	shift 2
	as_user make -s -C "$build" -j"$(nproc)" PG_CONFIG="$to" "$@" all &&
		as_user make -s -C "$build" PG_CONFIG="$to" "$@" install
}

# use_sandbox SANDBOX: its programs come first from now on.
use_sandbox() {
	bindir=$(dirname "$(cat "$1/pg_config")")
	export PG_CONFIG=$bindir/pg_config PATH=$bindir:$PATH
}

# build_tree: a sandbox in $work/pg with this tree installed, built in $work/build; the sandbox is in use then. A script that is
# started by another one, which has built the tree and says where (APIKEYS_BUILT), copies what was built.
build_tree() {
	say "building apikeys in a copy of PostgreSQL"
	if [ -n "${APIKEYS_BUILT:-}" ]; then
		ln -s "$APIKEYS_BUILT/pg" "$work/pg"
		mkdir "$work/build"
		own "$work/build"
		tar -C "$APIKEYS_BUILT/build" --exclude=node_modules -cf - . | tar -C "$work/build" -xpf -
	else
		"$root/scripts/sandbox" "$work/pg" >/dev/null
		copy_tree "$work/build"
	fi
	use_sandbox "$work/pg"
	[ -n "${APIKEYS_BUILT:-}" ] || quietly install_into "$work/pg" "$work/build"
}

# make_cluster DIR: a cluster in DIR/data that listens in DIR/s alone.
make_cluster() {
	mkdir -p "$1/s"
	own "$1/s"
	export PGHOST=$1/s PGPORT=5432 PGUSER=postgres
	[ ${#PGHOST} -le 80 ] || die "the path of $1 is too long for a Unix socket"
	[ ! -e "$1/data" ] || return 0
	install -d -m 700 "$1/data"
	own "$1/data"
	quietly as_user initdb -D "$1/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8
	cat >>"$1/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$1/s'
		port = 5432
		fsync = off
	CONF
}

# start_cluster DIR
start_cluster() {
	as_user pg_ctl -s -w -t 300 -D "$1/data" -l "$1/server.log" start >/dev/null || {
		tail -n 30 "$1/server.log" >&2
		die "the server did not start"
	}
}
