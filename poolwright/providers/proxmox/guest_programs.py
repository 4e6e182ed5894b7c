"""The small programs that run a startup script in a guest: once, however often they are started.

Both put the written parts together, check that nothing is missing, run the script with its output in a file, and tell
how it ended. The directory that the first of them makes is the marker: all others wait for its end and tell the same.
The first line of what they print is one of `ended CODE`, `lost` (the guest was restarted or the script killed) and
`damaged` (parts are missing: write them again). The end of the script's own output follows: 16,384 bytes, or
characters on Windows.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from poolwright.providers.proxmox.settings import OSType

NAME: Final = "poolwright-startup"
"""Of the parts, which get `.part001` and so on appended, and of the directory that is the marker."""

_BASH: Final = r"""
umask 077
cd "$1" || { echo damaged; exit 0; }
work="$1/poolwright-startup"
boot=$(cat /proc/sys/kernel/random/boot_id)
lives() {
    read -r process started < "$work/process" && [ "$started" = "$boot" ] && kill -0 "$process"
}
if ! [ -d "$work" ]; then
    new="$work.$$"
    cat "$work".part* | base64 -d | gzip -d > "$new"
    if ! printf '%s  %s\n' "$2" "$new" | sha256sum -c > /dev/null; then
        rm -f "$new"
        [ -d "$work" ] || { rm -f "$work".part*; echo damaged; exit 0; }
    elif mkdir "$work"; then
        echo "$$ $boot" > "$work/process"
        mv "$new" "$work/startup.sh"
        rm -f "$work".part*
        bash "$work/startup.sh" < /dev/null > "$work/output" 2>&1
        echo $? > "$work/code.new"
        mv "$work/code.new" "$work/code"
    fi
    rm -f "$new"
fi
rm -f "$work".part*
silent=0
while ! [ -e "$work/code" ]; do
    if lives; then silent=0; else silent=$((silent + 1)); fi
    if [ "$silent" -ge 5 ]; then
        echo lost
        tail -c 16384 "$work/output"
        exit 0
    fi
    sleep 1
done
echo "ended $(cat "$work/code")"
tail -c 16384 "$work/output"
exit 0
"""

_POWERSHELL: Final = r"""
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$directory = '@DIRECTORY@'
$work = Join-Path $directory 'poolwright-startup'
$code = Join-Path $work 'code'
$output = Join-Path $work 'output'
$process = Join-Path $work 'process'
function Write-End([string]$first) {
    [Console]::Out.WriteLine($first)
    if (Test-Path -LiteralPath $output) {
        $text = [IO.File]::ReadAllText($output)
        if ($text.Length -gt 16384) { $text = $text.Substring($text.Length - 16384) }
        [Console]::Out.Write($text)
    }
    exit 0
}
function Read-Script {
    $parts = Get-ChildItem -LiteralPath $directory -Filter 'poolwright-startup.part*' | Sort-Object Name
    $text = ($parts | ForEach-Object { [IO.File]::ReadAllText($_.FullName) }) -join ''
    $packed = New-Object IO.MemoryStream (,[Convert]::FromBase64String($text))
    $unpacked = New-Object IO.MemoryStream
    (New-Object IO.Compression.GZipStream $packed, ([IO.Compression.CompressionMode]::Decompress)).CopyTo($unpacked)
    $bytes = $unpacked.ToArray()
    $digest = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($bytes))
    if ($digest.Replace('-', '').ToLowerInvariant() -ne '@DIGEST@') { throw 'the script is damaged' }
    return ,$bytes
}
function Test-Life {
    try {
        $id, $started = [IO.File]::ReadAllText($process).Trim().Split(' ')
        return (Get-Process -Id $id).StartTime.Ticks -eq [long]$started
    } catch { return $false }
}
if (-not (Test-Path -LiteralPath $work)) {
    try { $bytes = Read-Script } catch {
        if (-not (Test-Path -LiteralPath $work)) {
            Remove-Item -Path (Join-Path $directory 'poolwright-startup.part*') -ErrorAction SilentlyContinue
            Write-End 'damaged'
        }
    }
    $first = $true
    try { New-Item -ItemType Directory -Path $work | Out-Null } catch { $first = $false }
    if ($first) {
        & icacls.exe $work /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
        [IO.File]::WriteAllText($process, "$PID $((Get-Process -Id $PID).StartTime.Ticks)")
        $script = Join-Path $work 'startup.ps1'
        [IO.File]::WriteAllBytes($script, [byte[]](239, 187, 191) + $bytes)
        Remove-Item -Path (Join-Path $directory 'poolwright-startup.part*')
        $ErrorActionPreference = 'Continue'
        & powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File $script *> $output
        [IO.File]::WriteAllText("$code.new", "$LASTEXITCODE")
        Move-Item -LiteralPath "$code.new" -Destination $code
    }
}
Remove-Item -Path (Join-Path $directory 'poolwright-startup.part*') -ErrorAction SilentlyContinue
$silent = 0
while (-not (Test-Path -LiteralPath $code)) {
    if (Test-Life) { $silent = 0 } else { $silent += 1 }
    if ($silent -ge 5) { Write-End 'lost' }
    Start-Sleep -Seconds 1
}
Write-End ('ended ' + [IO.File]::ReadAllText($code).Trim())
"""


def command(os_type: OSType, directory: str, script: bytes) -> Sequence[str]:
    """What the guest agent is to execute once the parts of this script are in the directory."""
    digest = hashlib.sha256(script).hexdigest()
    if os_type is OSType.LINUX:
        return ["/bin/bash", "-c", _BASH, NAME, directory, digest]
    program = powershell_program(directory, digest)
    encoded = base64.b64encode(program.encode("utf-16-le")).decode("ascii")
    options = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"]
    return ["powershell.exe", *options, "-EncodedCommand", encoded]


def powershell_program(directory: str, digest: str) -> str:
    """The program for Windows, with the directory and the SHA-256 of the script in it."""
    return _POWERSHELL.replace("@DIRECTORY@", directory.replace("'", "''")).replace("@DIGEST@", digest)


def part_path(os_type: OSType, directory: str, number: int) -> str:
    """Where the part with this number, from 1, is written."""
    separator = "/" if os_type is OSType.LINUX else "\\"
    return f"{directory.rstrip(separator)}{separator}{NAME}.part{number:03d}"
