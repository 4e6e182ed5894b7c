# The first process of a machine, started in the machine's directory. Standard input is the lock of all machines and
# standard output is its creator: both are let go only once `pid` is written, so that nobody, not even after the
# creator's death, can look for this machine between its start and the moment when it can be found.
boot() {
    printf '%s\n' "$$" >pid || exit
    exec </dev/null >>console.log 2>&1
    "$BASH" startup.sh
    printf '%s\n' "$?" >exit_code
    # For ever. Not by `sleep`, nor with a timeout: bash collects the script's dead orphans only while it reads.
    read -r <> <(:)
    exec sleep 2147483647
}
boot
