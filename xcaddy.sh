#!/usr/bin/env bash
# Builds Caddy with this plugin, and runs the example. Needs Go and network, nothing else.
set -euo pipefail
readonly here=$PWD # paths on the command line are relative to it
cd "$(dirname "$0")"
export GOWORK=off # a workspace around this folder is none of its business

readonly plugin=github.com/caddy-cloudid/caddy-cloudid
readonly migrate=caddy-cloudid.invalid/migrate
readonly xcaddy_version=v0.4.5
readonly tags=nobadger,nomysql,nopgx # database drivers of Caddy's that nobody needs here
# No -trimpath: so that `go test` finds the packages compiled already.
readonly flags=(-tags="$tags" -buildvcs=false '-ldflags=-s -w')

usage() {
	cat <<'TEXT'
usage:
  ./xcaddy.sh run
      build ./caddy and run Caddyfile.example with it

  ./xcaddy.sh build [--output FILE] [--with MODULE[@VERSION][=PATH]]...
      build Caddy with this plugin, and with the other modules named, into FILE (default: ./caddy)
TEXT
}

fail() {
	echo "xcaddy.sh: $1" >&2
	exit 2
}

# Prints the path of an xcaddy, if one can be had: not every module proxy has it.
find_xcaddy() {
	if command -v xcaddy; then return; fi
	GOBIN=$work GOFLAGS=-mod=mod go install "github.com/caddyserver/xcaddy/cmd/xcaddy@$xcaddy_version" 2>/dev/null && echo "$work/xcaddy"
}

# The version that the build shows in `list-modules --versions` and `build-info`: the tag of this commit, else date and hash
# as Go writes them; v0.0.0 where this is no clone, or git is not there or refuses. A changed tree is not its tag.
plugin_version() {
	if [ -e .git ] && git diff --quiet HEAD 2>/dev/null && git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null; then return; fi
	[ -e .git ] && TZ=UTC git log -1 --abbrev=12 --date=format-local:%Y%m%d%H%M%S --format=v0.0.0-%cd-%h 2>/dev/null || echo v0.0.0
}

# The plugin alone, in the versions that go.sum pins. Go tells nobody the version of a main module, so caddymodule/cmd/caddy
# is built as part of another one that requires the plugin.
build_plain() {
	echo "xcaddy.sh: building $output with go build, in the versions of go.sum; the first time takes some minutes" >&2
	cp go.mod go.sum "$work"
	go mod edit -module caddy -require "$plugin@$version" -replace "$plugin=$PWD" "$work/go.mod"
	go build -modfile="$work/go.mod" "${flags[@]}" -o "$output" ./caddymodule/cmd/caddy
}

# Gives a module that is on disk a version. Without one, xcaddy asks the module proxy for a list of versions, which a proxy
# does not have, or does not give.
with_version() {
	local name=${1%%=*} major=v0
	if [ "$name" = "$1" ] || [[ $name == *@* ]]; then
		echo "$1"
		return
	fi
	[[ ! $name =~ /(v[0-9]+)$ ]] || major=${BASH_REMATCH[1]}
	echo "$name@$major.0.0=${1#*=}"
}

build_with_xcaddy() {
	echo "xcaddy.sh: building $output with xcaddy ($1)" >&2
	local arguments=(--with "$plugin@$version=$PWD" --output "$output") module
	for module in "${modules[@]}"; do arguments+=(--with "$(with_version "$module")"); done
	# The command migrate is a package that the plugin's root does not import. Here another module does, since xcaddy asks the
	# module proxy for a package as if it were a module.
	mkdir "$work/migrate"
	printf 'module %s\n' "$migrate" >"$work/migrate/go.mod"
	printf 'package migrate\n\nimport _ "%s"\n' "$plugin/caddymodule/migrate" >"$work/migrate/migrate.go"
	arguments+=(--with "$migrate@v0.0.0=$work/migrate")
	XCADDY_GO_BUILD_FLAGS="-tags=$tags -buildvcs=false -ldflags='-s -w'" "$1" build "$caddy_version" "${arguments[@]}" ||
		fail "xcaddy failed; where a module proxy refuses to list versions, name one: --with MODULE@VERSION"
}

# What xcaddy does, for where it cannot be had: a main package that imports all of it, in a module of its own.
build_like_xcaddy() {
	echo "xcaddy.sh: xcaddy cannot be had here, building $output with go build" >&2
	local root=$PWD module name
	cp caddymodule/cmd/caddy/main.go go.sum "$work"
	(
		cd "$work"
		go mod init caddy
		go mod edit -replace "$plugin=$root" -require "$plugin@$version" -require "github.com/caddyserver/caddy/v2@$caddy_version"
		for module in "${modules[@]}"; do
			name=${module%%[@=]*}
			printf 'package main\n\nimport _ "%s"\n' "$name" >"import_${name//[^A-Za-z0-9]/_}.go"
			case $module in
			*=*) go mod edit -replace "$name=$(cd "${module#*=}" && pwd)" ;;
			*@*) go mod edit -require "$module" ;;
			esac
		done
		go mod tidy
		go build "${flags[@]}" -o "$output" .
	)
}

build() {
	output=$PWD/caddy
	modules=()
	while [ $# -gt 0 ]; do
		case $1 in
		--output | --with) [ $# -ge 2 ] || fail "$1 takes an argument" ;;
		*) fail "unknown argument '$1'; see ./xcaddy.sh help" ;;
		esac
		case $1 in
		--output)
			output=$2
			[[ $output == /* ]] || output=$here/$output
			;;
		--with)
			[[ $2 != *=* || $2 == *=/* ]] || set -- "$1" "${2%%=*}=$here/${2#*=}" "${@:3}"
			modules+=("$2")
			;;
		esac
		shift 2
	done

	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	version=$(plugin_version)
	if [ ${#modules[@]} -eq 0 ]; then
		build_plain
		return
	fi
	caddy_version=$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
	local xcaddy
	if xcaddy=$(find_xcaddy); then
		build_with_xcaddy "$xcaddy"
	else
		build_like_xcaddy
	fi
}

command -v go >/dev/null || fail "Go is needed to build Caddy: https://go.dev/dl"
case ${1-} in
run)
	[ $# -eq 1 ] || fail "run takes no arguments; see ./xcaddy.sh help"
	build
	rm -rf "$work" # exec leaves no EXIT behind
	exec ./caddy run --config Caddyfile.example --adapter caddyfile
	;;
build) build "${@:2}" ;;
help | -h | --help) usage ;;
*)
	usage >&2
	exit 2
	;;
esac
