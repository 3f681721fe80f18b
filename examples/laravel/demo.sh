#!/bin/sh
# Runs about 200 jobs (waits, web requests, orders, reports, failures, crashes) with kqueue:run and says what became of them.
#
# PHP names the interpreter with the extension, JOBS the number of jobs, QUEUE_CONNECTION=redis another queue; arguments go to
# kqueue:run, for example -v.
set -eu

cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- --quiet

PHP=${PHP:-php}
JOBS=${JOBS:-200}
folder=$(mktemp -d)
export DB_DATABASE="$folder/demo.sqlite" LOG_PATH="$folder/laravel.log"

# The slow server ends when the other end of its standard input does.
mkfifo "$folder/stdin"
$PHP tools/slow-server.php <"$folder/stdin" >"$folder/port" &
server=$!
exec 9>"$folder/stdin"

clean_up() {
    exec 9>&-
    kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

tries=0
until [ -s "$folder/port" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "The slow server did not start." >&2; exit 1; }
    sleep 0.1
done
url="http://127.0.0.1:$(cat "$folder/port")/?ms=500"

: >"$DB_DATABASE"
$PHP artisan migrate --force --quiet
$PHP artisan queue:clear --force --quiet

echo "A sample with queue:work, one job at a time, for comparison ..."
$PHP artisan demo:queue --sample --url="$url" --quiet
$PHP artisan queue:work --stop-when-empty-for=2 --sleep=0.1 --json >"$folder/sample"
$PHP artisan demo:clear

$PHP artisan demo:queue --jobs="$JOBS" --url="$url"
echo "Running them with kqueue:run --concurrency=100 ..."
start=$(date +%s.%N)
$PHP artisan kqueue:run --concurrency=100 --stop-when-empty-for=2 --sleep=0.1 "$@"

$PHP artisan demo:report --jobs="$JOBS" --since="$start" --sample="$folder/sample"
