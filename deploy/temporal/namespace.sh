#!/bin/sh
# Makes Poolwright's Temporal namespace and registers its search attributes. Changes nothing that is there already.
# Reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

# Tries a command for a minute, since the server takes a while to start, and then to notice a new namespace.
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
# One call for each: given several names at once, the program registers the first and reports success.
for name in Pool Zone Provider ServerState ServerId Hostname; do
  patiently temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword
done

echo "The namespace $TEMPORAL_NAMESPACE is ready"
