#!/usr/bin/env bash
# Startup script of a Linux server that joins its Active Directory domain with the one-time password of its own computer
# record. For Debian, Ubuntu and the Red Hat family.
#
# Names in single braces are tags, which Poolwright fills in for each server; any other brace has to be doubled. This
# script has none: its functions stand in parentheses.
#
# adcli and not realm: `realm join` takes a one-time password only as an argument, and every process list shows those.
set -euo pipefail

DOMAIN={domain:sh}
NAME={server_hostname:sh}

# check_in STATUS MESSAGE PROGRESS: tell Poolwright how far this machine is, also when the endpoint is away for a while.
# The token stands in the program's text, which Python reads from a pipe: no process list shows it.
check_in() (
    python3 - "$1" "$2" "$3" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request

status, message, progress = sys.argv[1:]
request = urllib.request.Request(
    "https://{upstream_auth_address}/api/set_server_status",
    data=json.dumps(dict(status=status, status_message=message, status_progress=progress)).encode(),
    headers=dict([("Authorization", "Bearer " + {checkin_jwt:json}), ("Content-Type", "application/json")]),
)
for pause_seconds in (1, 2, 4, 8, 15, 30, 60, 0):
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

# An image that has the packages already starts faster.
install_packages() (
    if command -v adcli >/dev/null && command -v sssd >/dev/null; then
        return
    fi
    if command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -o DPkg::Lock::Timeout=600 update
        apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends \
            adcli libnss-sss libpam-modules libpam-sss sssd-ad sssd-tools
    else
        dnf install --assumeyes adcli authselect oddjob-mkhomedir sssd-ad sssd-tools
    fi
)

# The machine's name has to be its record's, in the domain.
set_name() (
    if [ -d /run/systemd/system ]; then
        hostnamectl set-hostname "$NAME.$DOMAIN"
    else
        hostname "$NAME"
        echo "$NAME" >/etc/hostname
    fi
    grep -q " $NAME.$DOMAIN " /etc/hosts || echo "127.0.1.1 $NAME.$DOMAIN $NAME" >>/etc/hosts
)

# try TIMES SECONDS COMMAND...: until it succeeds, this often, with pauses of so many seconds.
try() (
    times=$1 pause_seconds=$2
    shift 2
    until "$@"; do
        times=$((times - 1))
        [ "$times" -gt 0 ] || exit 1
        sleep "$pause_seconds"
    done
)

# printf is part of the shell, so the password is on no command line.
join() (
    printf '%s' {ad_join_credential:sh} | adcli join --domain="$DOMAIN" --login-type=computer --stdin-password \
        --computer-name="$NAME" --host-fqdn="$NAME.$DOMAIN"
)

# People of the domain may log on, and get a home directory when they first do.
configure_logons() (
    umask 077
    mkdir -p /etc/sssd
    cat >/etc/sssd/sssd.conf <<SSSD
[sssd]
services = nss, pam
domains = $DOMAIN

[domain/$DOMAIN]
id_provider = ad
access_provider = ad
ad_gpo_map_remote_interactive = +xrdp-sesman
use_fully_qualified_names = false
fallback_homedir = /home/%u
default_shell = /bin/bash
SSSD
    if command -v pam-auth-update >/dev/null; then
        pam-auth-update --enable mkhomedir
    else
        authselect select sssd with-mkhomedir --force
        systemctl enable --now oddjobd
    fi
    systemctl enable sssd
    systemctl restart sssd
)

doing="Starting"
trap '[ "$?" -eq 0 ] || check_in error "The startup script failed at: $doing" ""' EXIT

check_in starting "$NAME is up" 5
doing="Installing packages"
check_in configuring "$doing" 10
install_packages
set_name
doing="Looking for a domain controller of $DOMAIN"
check_in configuring "$doing" 50
try 60 5 adcli info "$DOMAIN" >/dev/null
doing="Joining $DOMAIN"
check_in configuring "$doing" 60
# The script may be run a second time, and the password works only once.
if ! adcli testjoin --domain="$DOMAIN" >/dev/null 2>&1; then
    # A domain controller may not know the record yet: it was made on another one.
    try 6 20 join
fi
doing="Setting up logons"
check_in configuring "$doing" 80
configure_logons
check_in running "Joined $DOMAIN" 100
