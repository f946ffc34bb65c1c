/* hold_lapse - when a hold stops counting, for the statements of this folder. Internal to it.
 *
 * A hold that a source confirms lapses by that source's own clock, which stands still while the
 * source is stale: at t it shows least(t, fresh_until).  So a hold has lapsed at t if its deadline
 * is at t or before, unless the deadline lies behind what its source has confirmed.  This is
 * ledger.is_lapsed as a condition that plans can see through, of the row `h` of ledger.hold at the
 * parameter $1.  A statement that reads the hold and asks this sees both as one snapshot has them,
 * so that it cannot fall between the moving of deadlines and of fresh_until (store_keep_begin).
 */
#ifndef LEDGERD_STORE_HOLD_LAPSE_H
#define LEDGERD_STORE_HOLD_LAPSE_H

/* Its deadline stands still. */
#define HOLD_STANDS_STILL                                          \
    "EXISTS (SELECT FROM ledger.pull s WHERE s.source = h.source " \
    "AND s.fresh_until < h.expires_at)"

#define HOLD_HAS_LAPSED "(h.expires_at <= $1 AND NOT " HOLD_STANDS_STILL ")"
#define HOLD_COUNTS "(h.expires_at > $1 OR " HOLD_STANDS_STILL ")"

/* When it lapses, by what is known of its source: INSTANT_NEVER while the deadline stands still. */
#define HOLD_LAPSES_AT "CASE WHEN " HOLD_STANDS_STILL " THEN 'infinity' ELSE h.expires_at END"

#endif
