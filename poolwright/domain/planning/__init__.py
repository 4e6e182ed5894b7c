"""The scaling decision, pure: `plan(snapshot, now) -> Plan`.

The steps, each in its module: what the config asks for now (`terms`), what the failures so far allow (`failures`), the
servers sorted by what may be done with them (`supply`), who waits and whose turn it is (`demand`), what retires
(`ages`, `rotation`), what to add (`growth`), what is too much (`shrinking`). Then the outcome is put into `actions`,
`figures` and an `explanation`.
"""

from poolwright.domain.planning.decision import plan
from poolwright.domain.planning.siblings import sibling_of

__all__ = ["plan", "sibling_of"]
