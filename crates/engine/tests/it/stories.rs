//! What a cluster does when the world does its worst: one story in each file.

mod attempts_are_bounded;
mod banned_member_is_silenced;
mod checkpoints_are_witnessed;
mod coordinator_dies_another_finishes;
mod corrupt_journal_stops_the_node;
mod crash_before_send;
mod culprit_is_dropped;
mod duplicate_request_same_answer;
mod early_mail_waits_bounded;
mod expired_request_is_not_signed;
mod group_commit_keeps_order_in_a_session;
mod hostile_messages_never_panic;
mod key_request_retry_makes_another_key;
mod late_session_ends;
mod liars_do_not_stop_the_others;
mod no_policy_no_signature;
mod old_copy_halts_the_node;
mod queue_is_bounded;
mod ready_without_certificate_becomes_a_key;
mod restart_forgets_nothing_acknowledged;
mod slow_work_does_not_delay_a_signature;
mod stale_fence_changes_nothing;
mod stolen_coordinator_gets_nothing;
mod stolen_coordinator_uses_nothing_up;
mod stored_outcomes_prove_themselves;
