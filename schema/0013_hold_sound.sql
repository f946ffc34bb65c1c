-- What must be true of every hold, in one constraint.
--
-- PostgreSQL reads and plans the text of each CHECK of a table again for every statement that writes to it: ten of them were
-- a quarter of what the one statement of a hold costs. A function is one call to read, and its body is planned once a session.

CREATE FUNCTION ledger.hold_is_sound(key_hash uuid, key text, points_micro bigint, freed_micro bigint, held_micro bigint,
                                     parts integer, ended_parts integer, at_once integer, state text, ended_at timestamptz)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN held_micro >= 0 AND freed_micro >= 0 AND points_micro >= freed_micro AND held_micro <= points_micro - freed_micro
        AND parts >= 0 AND ended_parts >= 0 AND at_once >= 0
        AND (key_hash IS NULL) = (key = '')
        AND CASE WHEN state = 'open' THEN ended_at IS NULL
                 ELSE state IN ('settled', 'released', 'expired') AND ended_at IS NOT NULL AND held_micro = 0 END;
END $$;
COMMENT ON FUNCTION ledger.hold_is_sound(uuid, text, bigint, bigint, bigint, integer, integer, integer, text, timestamptz) IS 'Whether a hold can be: nothing in it is negative, it holds no more than was asked for less what was freed, has a hash if it has a key, is in one of its four states, and holds nothing and says when once it has ended';

ALTER TABLE ledger.hold
    DROP CONSTRAINT hold_points_micro_check,
    DROP CONSTRAINT hold_parts_check,
    DROP CONSTRAINT hold_ended_parts_check,
    DROP CONSTRAINT hold_at_once_check,
    DROP CONSTRAINT hold_state_check,
    DROP CONSTRAINT hold_check,
    DROP CONSTRAINT hold_check1,
    DROP CONSTRAINT hold_check2,
    DROP CONSTRAINT hold_check3,
    DROP CONSTRAINT hold_check4,
    ADD CONSTRAINT hold_is_sound CHECK (ledger.hold_is_sound(key_hash, key, points_micro, freed_micro, held_micro, parts,
                                                             ended_parts, at_once, state, ended_at));

REVOKE ALL ON FUNCTION ledger.hold_is_sound(uuid, text, bigint, bigint, bigint, integer, integer, integer, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.hold_is_sound(uuid, text, bigint, bigint, bigint, integer, integer, integer, text, timestamptz) TO ledger_daemon;
