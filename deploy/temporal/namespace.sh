#!/bin/sh
# Makes Poolwright's Temporal namespace, unless it is there already; the worker adds to it what else it needs.
# Reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

# Tries a command for a minute.
patiently() {
  attempts=30
  until output=$("$@" 2>&1); do
    attempts=$((attempts - 1))
    if [ "$attempts" -eq 0 ]; then
      echo "Temporal at $TEMPORAL_ADDRESS: $output" >&2
      return 1
    fi
    sleep 2
  done
}

make_namespace() {
  # Ninety days: the history of a server's life is what an incident is explained with.
  temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 90d
}

patiently temporal operator cluster health
patiently make_namespace
# The server takes some seconds to know a new namespace everywhere.
patiently temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE"

echo "The namespace $TEMPORAL_NAMESPACE is ready"
