"""Host name patterns that would run out of names or break a rule of those who read them."""

from collections.abc import Iterator

from poolwright.domain.autoscale import ServerAutoscale
from poolwright.domain.hostnames import DNS_LABEL_LIMIT, NETBIOS_LIMIT, HostnameProblem, check_pattern
from poolwright.domain.resources import VMProviderConfig
from starter.configuration.problems import shown
from starter.configuration.whole import Finding, Subject, Whole


def unusable_patterns(whole: Whole) -> Iterator[Finding]:
    """Patterns that cannot name every server that could exist."""
    # Numbers are taken from all servers alike: one config's names may be pushed up by those of another.
    servers = sum(provider.max_instances for provider in whole.each(VMProviderConfig))
    for autoscale in whole.autoscales():
        record = autoscale.computer_record if isinstance(autoscale, ServerAutoscale) else None
        try:
            check_pattern(
                autoscale.hostname_pattern,
                pool=autoscale.pool,
                zone=autoscale.zone,
                autoscale=autoscale.name,
                limit=DNS_LABEL_LIMIT if record is None else NETBIOS_LIMIT,
                servers=servers,
            )
        except HostnameProblem as problem:
            yield Finding(
                subjects=(
                    Subject("autoscale", autoscale.name, ("hostname_pattern",)),
                    *(Subject("vm_provider", provider.name) for provider in whole.each(VMProviderConfig)),
                ),
                what=str(problem),
                remedy="Set a hostname_pattern such as vm{n:04}, or give the pool a shorter name.",
                value=shown(autoscale.hostname_pattern),
            )
