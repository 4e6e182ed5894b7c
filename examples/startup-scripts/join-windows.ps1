#ps1_sysnative
# Startup script of a Windows server that joins its Active Directory domain with the one-time password of its own computer
# record. For Windows PowerShell 5.1, run as SYSTEM by Cloudbase-Init or another agent; EC2Launch wants it between
# <powershell> and </powershell> instead of the first line.
#
# Names in single braces are tags, which Poolwright fills in for each server; any other brace is doubled.

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12

$Domain = {domain:powershell}
$Name = {server_hostname:powershell}
$Folder = Join-Path $env:ProgramData 'Poolwright'
$CheckInFile = Join-Path $Folder 'CheckIn.ps1'

# Also used after the restart, by a task: so it stands in a file, which only SYSTEM and administrators can read. The token
# is in the file, and on no command line.
$CheckInText = @'
param([string]$Status, [string]$Message, [int]$Progress)
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
$body = @{{ status = $Status; status_message = $Message; status_progress = $Progress }} | ConvertTo-Json
$headers = @{{ Authorization = 'Bearer ' + {checkin_jwt:powershell} }}
$url = 'https://' + {upstream_auth_address:powershell} + '/api/set_server_status'
foreach ($pauseSeconds in 1, 2, 4, 8, 15, 30, 60, 120, 120, 0) {{
    try {{
        Invoke-RestMethod -Method Post -Uri $url -Headers $headers -ContentType 'application/json' -Body $body -TimeoutSec 10 | Out-Null
        break
    }} catch {{
        Start-Sleep -Seconds $pauseSeconds
    }}
}}
'@

# Runs at each start until the machine is in the domain and trusted by it; then says so and takes itself away.
$AfterRestartText = @'
foreach ($attempt in 1..60) {{
    if ((Get-CimInstance Win32_ComputerSystem).PartOfDomain -and (Test-ComputerSecureChannel)) {{
        & (Join-Path $PSScriptRoot 'CheckIn.ps1') running 'Joined the domain' 100
        Unregister-ScheduledTask -TaskName 'Poolwright check-in' -Confirm:$false
        Remove-Item -Recurse -Force $PSScriptRoot
        exit 0
    }}
    Start-Sleep -Seconds 10
}}
& (Join-Path $PSScriptRoot 'CheckIn.ps1') error 'The domain does not trust this machine ten minutes after its restart' 90
'@

function New-ProtectedFolder {{
    New-Item -ItemType Directory -Force -Path $Folder | Out-Null
    # SYSTEM and Administrators, by their numbers: their names depend on the language.
    icacls.exe $Folder /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
    Set-Content -Path $CheckInFile -Value $CheckInText -Encoding UTF8
    Set-Content -Path (Join-Path $Folder 'AfterRestart.ps1') -Value $AfterRestartText -Encoding UTF8
}}

function Register-AfterRestart {{
    $file = Join-Path $Folder 'AfterRestart.ps1'
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument "-NoProfile -ExecutionPolicy Bypass -File `"$file`""
    $trigger = New-ScheduledTaskTrigger -AtStartup
    Register-ScheduledTask -TaskName 'Poolwright check-in' -Action $action -Trigger $trigger -User 'SYSTEM' -RunLevel Highest -Force | Out-Null
}}

function Wait-Domain {{
    foreach ($attempt in 1..60) {{
        if (Resolve-DnsName -Type SRV -Name "_ldap._tcp.dc._msdcs.$Domain" -ErrorAction SilentlyContinue) {{ return }}
        Start-Sleep -Seconds 5
    }}
    throw "DNS names no domain controller of $Domain"
}}

function Join-Domain {{
    # No user joins: the machine itself does, with the password of its record.
    $password = ConvertTo-SecureString -String {ad_join_credential:powershell} -AsPlainText -Force
    $machine = New-Object PSObject -Property @{{ UserName = $null; Password = $password }}
    $credential = New-Object System.Management.Automation.PSCredential -ArgumentList $machine
    $options = @('UnsecuredJoin', 'PasswordPass')
    if ($env:COMPUTERNAME -ne $Name) {{
        # The new name counts only after a restart, and the record bears it already.
        Rename-Computer -NewName $Name -Force
        $options += 'JoinWithNewName'
    }}
    foreach ($attempt in 1..6) {{
        try {{
            Add-Computer -DomainName $Domain -Credential $credential -Options $options -Force
            return
        }} catch {{
            # A domain controller may not know the record yet: it was made on another one.
            if ($attempt -eq 6) {{ throw }}
            Start-Sleep -Seconds 20
        }}
    }}
}}

# Some agents run the script again after the restart; the task sees to the rest then.
if ((Get-CimInstance Win32_ComputerSystem).PartOfDomain) {{ exit 0 }}

New-ProtectedFolder
try {{
    & $CheckInFile starting "$Name is up" 5
    & $CheckInFile configuring "Looking for a domain controller of $Domain" 20
    Wait-Domain
    & $CheckInFile configuring "Joining $Domain" 40
    Join-Domain
    Register-AfterRestart
    & $CheckInFile configuring 'Restarting' 80
    Restart-Computer -Force
}} catch {{
    & $CheckInFile error "The startup script failed: $($_.Exception.Message)" 0
    throw
}}
