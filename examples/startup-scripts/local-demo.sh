#!/usr/bin/env bash
# The startup script of the local demo: what a VM would do in its first minutes, played through in two seconds.
#
# Names in single braces are tags, which Poolwright fills in for each server; any other brace has to be doubled. This
# script has none: its functions stand in parentheses.
set -euo pipefail

# check_in STATUS MESSAGE PROGRESS: tell Poolwright how far this machine is, also when the endpoint is away for a while.
# The token stands in the program's text, which Python reads from a pipe: no process list shows it.
check_in() (
    printf '%s: %s\n' "$1" "$2"
    python3 - "$1" "$2" "$3" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request

status, message, progress = sys.argv[1:]
request = urllib.request.Request(
    "http://{upstream_auth_address}/api/set_server_status",
    data=json.dumps(dict(status=status, status_message=message, status_progress=progress)).encode(),
    headers=dict([("Authorization", "Bearer " + {checkin_jwt:json}), ("Content-Type", "application/json")]),
)
for pause_seconds in (0.5, 1, 2, 4, 8, 15, 30, 60, 0):
    try:
        urllib.request.urlopen(request, timeout=10).close()
        sys.exit(0)
    except urllib.error.HTTPError as error:
        answer = str(error)
        if error.code < 500:
            break
    except OSError as error:
        answer = str(error)
    time.sleep(pause_seconds)
sys.exit("check-in as " + status + " failed: " + answer)
PYTHON
)

# serve USER: a service that a session connects to. It repeats every line, on this machine's own address.
serve() (
    python3 - "$POOLWRIGHT_ADDRESS" "$1" <<'PYTHON'
import socketserver
import sys

address, user = sys.argv[1:]


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(("Hello " + user + ", this is {server_hostname}.\n").encode())
        for line in self.rfile:
            self.wfile.write(line)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
service = socketserver.ThreadingTCPServer((address, 2222), Echo)
print("listening", flush=True)
service.serve_forever()
PYTHON
)

trap '[ "$?" = 0 ] || check_in error "The startup script failed; the console log says why" ""' EXIT

check_in starting "The machine {server_hostname} is up" 5
progress=10
for step in "Creating the user" "Installing the desktop" "Installing applications"; do
    check_in configuring "$step" "$progress"
    sleep 0.3
    progress=$((progress + 25))
done

check_in configuring "Starting the service" "$progress"
read -r _ < <(serve {connection_username:sh})
check_in running "Ready for a session" 100
