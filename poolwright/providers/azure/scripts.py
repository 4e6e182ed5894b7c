"""Startup scripts on Windows: run by the VM's agent, through a run command."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.azure.marks import OWNER_TAG, marked_name
from poolwright.providers.base import ScriptResult

COMMAND_NAME: Final = "poolwright-startup"
_LONGEST_RUN_SECONDS: Final = 5400
_OVER: Final = frozenset({"Failed", "Succeeded", "TimedOut", "Canceled"})
_NO_EXIT_CODE: Final = -1

# The directory is the marker: only one run can make it. It has the VM's own name, since an image may have been made of
# a VM that ran its script. A script may restart the computer (joining a domain does); nobody notes its exit code then.
_RUN_ONCE: Final = """\
$ErrorActionPreference = 'Stop'
$directory = Join-Path $env:ProgramData 'Poolwright\\%(marker)s'
$result = Join-Path $directory 'exit-code.txt'
try {
    New-Item -ItemType Directory -Path $directory | Out-Null
} catch {
    if (Test-Path -LiteralPath $result) { exit [int](Get-Content -LiteralPath $result) }
    Write-Output 'The startup script was begun before; how it ended is not known.'
    exit 0
}
$script = Join-Path $directory 'startup.ps1'
$text = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('%(script)s'))
[IO.File]::WriteAllText($script, $text, (New-Object Text.UTF8Encoding $true))
$ErrorActionPreference = 'Continue'
& powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File $script
$code = $LASTEXITCODE
Remove-Item -LiteralPath $script -Force
Set-Content -LiteralPath $result -Value $code
exit $code
"""


def run_command_request(script: bytes, region: str, mark: OwnerMark) -> dict[str, Any]:
    """The body of the request that has a script run once, whoever else asks for it again."""
    source = _RUN_ONCE % {"marker": marked_name(mark), "script": base64.b64encode(script).decode()}
    return {
        "location": region,
        "tags": {OWNER_TAG: mark.text()},
        "properties": {
            "source": {"script": source},
            "asyncExecution": True,
            "timeoutInSeconds": _LONGEST_RUN_SECONDS,
        },
    }


def result_from(command: Mapping[str, Any]) -> ScriptResult:
    """How far the run command is. One that Azure could not run has ended, with an exit code that is not 0."""
    inner = command.get("properties") or {}
    view = inner.get("instanceView") or {}
    state = str(view.get("executionState", "Unknown"))
    could_not_run = inner.get("provisioningState") in ("Failed", "Canceled") and state not in ("Running", "Succeeded")
    if state not in _OVER and not could_not_run:
        return ScriptResult(finished=False)
    exit_code = view.get("exitCode")
    if state != "Succeeded" and not exit_code:
        exit_code = _NO_EXIT_CODE
    said = [view.get("output"), view.get("error"), view.get("executionMessage") if exit_code else None]
    return ScriptResult(finished=True, exit_code=exit_code or 0, output="\n".join(part for part in said if part))
