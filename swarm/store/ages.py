"""How old things may be: what publishers and collectors of garbage count on who never talk to each other.

All in one place, because each is safe only beside the others (docs/store.md section 4). Seconds, by the store's own
clock unless another one is named.
"""

from __future__ import annotations

HOUR_S = 3600.0

# --- a publisher's marker

RENEW_INTERVAL_S = 1 * HOUR_S
RENEW_RETRY_S = HOUR_S / 60
COMMIT_AGE_MAX_S = 6 * HOUR_S
"""A publisher will not commit past this; a collector counts a marker as live for `LIVE_AGE_MAX_S`, four times it."""

LIVE_AGE_MAX_S = 24 * HOUR_S
STALE_MARKER_S = 4000.0
"""A marker is renewed hourly: this old, its publisher was probably killed, and nothing is to be gained by waiting."""

# --- a collection of garbage

GRACE_S = 24 * HOUR_S
"""From condemnation to deletion. At least as long as a marker lives without its publisher, so no step that was held up
in between can still count on what is deleted."""

CLOCK_MARGIN_S = 10.0
"""S3 tells times in whole seconds, by clocks of several machines: what is this much younger than now is left alone."""

DRAIN_S = 600.0
"""How long a sweep waits for those who publish. Then it steps back, because others wait for it. The collector's own
clock."""

SWEEP_LIFE_S = 2 * HOUR_S
"""A sweep that was not written for so long is over: its collector deletes nothing any more."""

DELETE_AGE_MAX_S = SWEEP_LIFE_S / 2
"""Nothing is deleted so long after the sweep was written last, by the collector's clock; publishers and other
collectors wait twice as long."""

SWEEP_RENEW_S = SWEEP_LIFE_S / 6
