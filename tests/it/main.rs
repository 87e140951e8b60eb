//! Behaviour of the crate through its public API, a module for each capability.
//!
//! # The fault catalogue
//!
//! For each fault the tests that fail where the crate does not do what it should, in the modules of
//! [`faults`] if nothing else is said: `environment` and `allocations` are test binaries of their
//! own, and `auth` is the crate's. Where a fault can't be made on loopback, a test stands in for it and
//! says how.
//!
//! ## The network
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F1 | connection refused | `network::a_refused_connection_is_tried_again_and_named_with_host_and_port`; `network::a_refused_connection_is_made_once_the_service_is_back`; `writes::a_write_is_tried_again_where_the_connection_is_refused` |
//! | F2 | name not found | `network::a_name_that_does_not_resolve_says_so_and_is_tried_again` |
//! | F3 | connect never answered | `network::a_connect_that_gets_no_answer_is_a_timeout_and_is_tried_again`; `network::a_handshake_that_gets_no_answer_is_a_connect_timeout`; `writes::a_write_is_tried_again_where_connecting_takes_too_long`; `writes::a_write_is_tried_again_where_the_handshake_breaks_off` |
//! | F4 | closed before any byte of the answer | `network::a_connection_that_dies_before_the_answer_is_followed_by_another_at_once`; `network::a_connection_that_is_reset_is_worth_a_retry`; `tls::a_kept_connection_that_is_dead_is_replaced`; `writes::a_write_is_not_sent_again_where_the_connection_ends_before_the_answer`; `writes::a_write_is_not_sent_again_where_the_connection_is_reset_with_the_request_unread`; `writes::a_write_is_not_sent_again_where_tls_breaks_off_before_the_answer` |
//! | F5 | kept connection that has died | `network::a_kept_connection_that_is_dead_costs_no_more_than_a_second_try`; `network::the_try_after_a_dead_connection_has_a_new_one_although_others_lie_idle`; `network::a_connection_that_was_closed_between_two_calls_is_replaced`; `network::the_first_retry_after_a_dead_connection_comes_at_once`; `tls::a_kept_connection_that_is_dead_is_replaced`; `writing::each_write_has_a_connection_of_its_own` |
//! | F6 | headers that trickle | `network::headers_that_trickle_end_with_the_time_for_one_try`; `network::an_exchange_that_takes_too_long_is_a_timeout`; `network::a_slow_answer_ends_with_the_deadline_where_that_is_earlier`; `writes::a_write_whose_answer_takes_too_long_is_not_sent_again` |
//! | F7 | body that trickles or stalls | `network::an_exchange_that_takes_too_long_is_a_timeout`; `network::a_slow_answer_ends_with_the_deadline_where_that_is_earlier`; `network::a_body_that_trickles_ends_with_the_time_for_one_try_and_none_of_it_is_handed_out`; `network::a_body_that_stalls_is_a_timeout_and_none_of_it_is_handed_out`; `network::a_silent_service_is_a_timeout`; `writes::a_write_whose_answer_takes_too_long_is_not_sent_again` |
//! | F8 | body shorter than announced, chunks cut | `network::a_body_that_breaks_off_is_tried_again_as_a_fault_of_the_transport`; `network::a_body_cut_below_http_is_a_retryable_error_and_none_of_it_is_handed_out`; `tls::a_body_that_tls_breaks_off_in_is_no_answer`; `tls::a_body_that_tls_breaks_off_in_is_fetched_again`; `tls::an_alert_in_the_middle_of_a_body_is_worth_a_retry`; `writes::a_success_that_is_cut_keeps_its_status_and_is_not_sent_for_again` |
//! | F9 | no length and cut | `network::damage_that_only_the_decoder_sees_is_one_retryable_error_behind_the_good_rows`; `network::a_damaged_page_is_asked_for_once_more_and_no_more`; `network::a_cut_agent_without_length_is_fetched_once_more`; `network::a_damaged_page_is_fetched_again_and_its_rows_are_not_handed_out_twice`; `network::a_page_that_stays_damaged_ends_the_walk_with_an_exact_offset`; `network::a_damaged_token_is_asked_for_again_and_never_used`; `tls::a_body_that_tls_breaks_off_in_is_no_answer`; `tls::a_body_that_tls_breaks_off_in_is_fetched_again`; `tls::a_whole_document_without_length_is_whole` |
//! | F10 | gzip cut, damaged, or none | `network::damage_that_only_the_decoder_sees_is_one_retryable_error_behind_the_good_rows`; `network::a_damaged_page_is_asked_for_once_more_and_no_more`; `network::a_damaged_page_is_fetched_again_and_its_rows_are_not_handed_out_twice`; `network::a_page_that_stays_damaged_ends_the_walk_with_an_exact_offset`; `network::a_damaged_token_is_asked_for_again_and_never_used` |
//! | F11 | gzip bomb | `network::a_bomb_is_inflated_to_the_limit_and_no_further`; `network::a_bomb_of_hundreds_of_megabytes_ends_at_the_default_limit`; `network::a_bomb_for_a_token_is_refused`; `network::a_body_of_exactly_the_limit_passes_and_a_larger_one_names_the_limit`; `network::an_agent_beyond_the_limit_is_refused_plain_and_inflated`; `allocations::a_bomb_costs_no_more_memory_than_a_page` |
//! | F12 | body above the limit | `network::a_body_of_exactly_the_limit_passes_and_a_larger_one_names_the_limit`; `network::an_agent_beyond_the_limit_is_refused_plain_and_inflated`; `network::a_body_beyond_the_limit_is_not_read_to_its_end`; `network::an_answer_for_a_token_is_not_read_to_its_end_where_that_is_far`; `writes::a_success_beyond_the_body_limit_leaves_the_outcome_unknown` |
//! | F13 | proxy that refuses or is down | `network::a_proxy_that_refuses_is_named_without_its_password`; `network::a_proxy_that_is_down_is_named_without_its_password`; `writes::a_write_without_a_tunnel_was_not_sent`; `environment::a_proxys_password_in_the_environment_is_not_shown`; `environment::a_proxy_of_the_environment_that_is_down_is_named` |
//! | F14 | clock jumps, suspend | `network::a_wall_clock_that_jumps_moves_no_window` (stand-in); `network::a_wall_clock_that_jumps_moves_no_deadline_and_no_pause` (stand-in); `network::a_pause_until_a_date_is_counted_from_the_services_own` (stand-in); `network::a_token_that_expires_at_a_date_is_renewed_when_the_wall_clock_jumps_past_it` (stand-in); `network::a_token_with_a_lifetime_in_seconds_does_not_care_for_the_wall_clock` (stand-in); `network::a_token_that_expired_while_the_machine_slept_costs_one_more_exchange` (stand-in) |
//!
//! ## HTTP
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F15 | redirects | `http::a_redirect_is_not_followed_and_names_its_host_only`; `http::a_redirect_to_where_it_came_from_is_not_followed_either`; `http::a_redirect_of_the_token_endpoint_is_not_followed`; `writes::a_redirected_write_is_not_sent_elsewhere` |
//! | F16 | 401 with a token that looks valid | `http::a_401_in_mid_walk_fetches_one_token_and_goes_on`; `http::a_401_that_stays_is_reported_after_one_fresh_token`; `http::the_same_token_is_not_sent_again_after_a_401`; `writes::a_write_is_tried_once_more_after_a_401` |
//! | F17 | 403 | `http::a_403_keeps_the_message_and_names_the_permissions_of_its_operation`; `writes::a_write_that_is_refused_is_not_sent_again` |
//! | F18 | 404 for the list of machines | `http::a_404_of_the_service_ends_the_machines_and_is_told`; `http::a_404_of_anybody_else_is_an_error_and_no_empty_fleet`; `http::a_404_of_any_other_list_is_not_found` |
//! | F19 | 404 for one entity | `http::a_404_for_one_entity_shows_its_id`; `http::a_404_for_several_machines_is_an_error_and_none_for_none` |
//! | F20 | 408, 500, 502, 503, 504 | `http::a_status_that_may_pass_is_tried_again`; `http::a_call_succeeds_after_failures_that_pass`; `http::after_the_last_retry_the_real_error_comes_with_the_number_of_tries`; `writes::a_write_is_not_sent_again_after_a_failure_of_the_server` |
//! | F21 | 501, 505, 418 | `http::a_status_that_will_not_pass_is_not_tried_again`; `writes::a_write_that_is_refused_is_not_sent_again` |
//! | F22 | error body of HTML, of nothing, of plain text, huge | `http::an_error_body_in_any_state_of_repair_is_read`; `http::an_error_body_that_is_no_text_does_no_harm`; `http::the_html_of_a_gateway_is_a_message_and_is_tried_again`; `http::control_characters_never_reach_a_log_line`; `http::control_characters_are_no_message`; `http::a_long_error_body_is_cut`; `http::a_huge_error_body_is_not_read_to_its_end`; `http::an_error_body_that_is_cut_leaves_its_status`; `http::a_compressed_refusal_that_is_cut_or_a_bomb_leaves_its_status` |
//! | F23 | error JSON of another shape | `http::an_error_body_in_any_state_of_repair_is_read`; `http::a_refusal_with_an_odd_member_keeps_the_others` |
//! | F24 | 200 with HTML | `http::html_with_status_200_is_no_answer`; `http::html_with_status_200_is_no_token`; `http::a_content_type_is_cut`; `http::a_page_of_json_that_is_no_list_is_no_answer`; `writes::html_with_status_200_says_nothing_of_a_deletion` |
//! | F25 | 200 with nothing, 204 | `http::an_empty_200_is_no_empty_list_and_is_tried_once_more`; `http::a_204_is_no_empty_list_and_is_tried_once_more`; `http::an_empty_answer_is_no_token_and_is_asked_for_once_more` |
//! | F26 | 206, 203 | `http::another_success_is_refused_and_shows_no_data` |
//! | F27 | header of 64 KiB, 129 fields, no HTTP at all | `http::what_is_no_http_is_not_tried_again`; `http::garbage_without_end_is_not_read_to_its_end`; `http::many_headers_are_borne`; `http::headers_that_are_too_large_are_refused`; `writes::a_write_is_not_sent_again_where_the_answer_is_no_http` |
//! | F28 | two lengths, a negative one | `http::what_is_no_http_is_not_tried_again`; `http::lengths_that_agree_and_chunks_beside_a_length_are_borne`; `writes::a_write_is_not_sent_again_where_the_answer_is_no_http` |
//! | F29 | bytes behind the answer | `http::bytes_behind_an_answer_do_not_reach_the_next_call`; `http::bytes_behind_an_error_or_a_token_do_not_reach_the_next_call`; `tls::bytes_behind_the_end_of_an_answer_are_dropped_with_their_connection` |
//!
//! ## TLS
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F30 | unknown issuer | `tls::an_unknown_issuer_is_refused_and_the_way_out_is_named`; `tls::a_proxy_that_inspects_tls_is_named_and_its_root_lets_it_pass`; `tls::an_unknown_issuer_of_the_token_endpoint_gets_no_secret`; `tls::a_certificate_without_its_key_is_refused`; `tls::with_the_right_root_all_five_operations_work`; `tls::only_the_roots_that_were_given_are_trusted`; `tls::a_chain_leads_to_a_root_or_is_refused`; `tls::root_certificates_must_be_pem`; `tls::there_is_no_switch_that_turns_verification_off`; `writes::a_write_to_who_is_not_trusted_is_not_sent` |
//! | F31 | expired, other name | `tls::a_certificate_of_the_future_is_refused_with_the_reason`; `tls::a_certificate_for_another_host_is_refused_with_the_reason`; `tls::a_certificate_is_for_the_name_that_was_asked_for`; `tls::a_certificate_without_its_key_is_refused` |
//! | F32 | plain HTTP, or silence, where TLS is due | `tls::plain_http_under_an_https_url_is_told_at_once`; `tls::who_never_speaks_tls_is_left_after_the_connect_timeout`; `tls::a_handshake_that_trickles_is_left_after_the_connect_timeout`; `tls::a_server_of_old_versions_alone_is_refused`; `tls::a_server_of_either_version_will_do`; `writes::a_write_is_tried_again_where_the_handshake_breaks_off` |
//! | F33 | http:// configured | `tls::plain_http_is_for_loopback_alone`; `tls::there_is_no_switch_that_turns_verification_off` |
//!
//! ## Tokens
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F34 | wrong secret | `tokens::a_wrong_secret_is_told_in_the_endpoints_words_without_the_secret`; `tokens::a_wrong_secret_is_asked_about_once_a_minute`; `tokens::a_wrong_secret_rests_for_a_minute_while_the_old_token_serves` |
//! | F35 | token endpoint busy or down | `tokens::a_busy_token_endpoint_is_tried_again_without_burning_permits`; `tokens::a_token_endpoint_that_stays_in_trouble_is_reported`; `tokens::a_pause_of_the_token_endpoint_holds_for_every_thread`; `tokens::a_pause_of_the_token_endpoint_is_waited_for_once`; `tokens::a_token_failure_burns_no_permit_of_the_api`; `tokens::token_requests_do_not_count` |
//! | F36 | no renewal while the token lasts | `tokens::the_old_token_serves_while_the_endpoint_fails`; `tokens::the_old_token_serves_while_the_endpoint_is_gone`; `tokens::an_early_renewal_that_hangs_leaves_the_call_its_time`; `tokens::others_go_on_with_the_old_token_while_one_renews_it` |
//! | F37 | no renewal and the token has expired | `tokens::an_expired_token_and_a_failing_endpoint_are_named_together`; `tokens::an_expired_token_and_an_endpoint_that_is_gone_are_named_together`; `tokens::an_expired_token_and_a_refusal_that_stands_are_named_together`; `tokens::a_token_that_expires_while_its_renewal_fails_is_not_sent` |
//! | F38 | token that expires in mid-walk | `tokens::a_token_that_expires_in_the_middle_of_a_walk_is_renewed_between_pages`; `tokens::a_walk_over_several_lifetimes_of_a_token_has_every_row_once` |
//! | F39 | many threads without a token | `tokens::thirty_two_threads_with_a_cold_or_an_expired_cache_ask_once`; `threads::threads_that_wait_for_a_token_get_that_one`; `threads::threads_that_wait_for_a_token_share_its_failure`; `threads::a_failure_that_all_threads_shared_is_not_kept` |
//! | F40 | panic while a token is fetched | `tokens::a_panic_while_a_token_is_fetched_does_no_harm_to_later_calls`; `threads::a_credential_that_panics_does_not_take_the_others_down`; `threads::every_thread_but_the_last_may_panic_while_it_renews` |
//! | F41 | lifetimes of every kind | `tokens::the_usual_lifetimes_are_understood`; `tokens::a_lifetime_that_makes_no_sense_is_refused`; `tokens::an_expiry_by_date_is_understood_where_there_is_no_lifetime`; `tokens::an_expiry_by_date_that_makes_no_sense_is_refused`; `tokens::an_endless_lifetime_does_not_overflow`; `tokens::a_token_that_has_expired_already_is_refused` |
//! | F42 | wrong local time | `tokens::a_wrong_wall_clock_does_no_harm_to_a_lifetime_in_seconds`; `tokens::a_date_that_jumps_changes_no_lifetime_in_seconds` |
//! | F43 | token that can't be sent | `tokens::a_token_that_no_header_can_carry_is_refused`; `tokens::a_credentials_token_is_checked_like_any_other`; `tokens::a_static_token_is_one_that_a_header_can_carry` |
//! | F44 | token that is not Bearer | `tokens::a_token_of_another_type_is_refused` |
//! | F45 | tenant that is none | `tokens::a_tenant_is_a_guid_or_a_domain`; `tokens::no_tenant_leaves_its_place_in_the_url`; `environment::a_tenant_of_the_environment_is_a_guid_or_a_domain`; `credentials::azure_cli::a_setting_that_cannot_be_used_is_refused_before_anything_is_started` |
//! | F46 | Azure CLI that is missing, silent or slow | `credentials::azure_cli::a_setting_that_cannot_be_used_is_refused_before_anything_is_started`; `environment::azure_cli::the_azure_cli_is_started_with_what_it_needs_and_no_more`; `environment::azure_cli::a_warning_before_the_json_does_no_harm`; `environment::azure_cli::output_without_a_token_is_refused_and_not_shown`; `environment::azure_cli::who_is_not_signed_in_is_told_how`; `environment::azure_cli::the_azure_cli_is_found_in_absolute_folders_of_path_alone`; `environment::azure_cli::an_azure_cli_that_is_not_whole_is_told_as_such`; `environment::azure_cli::what_hangs_is_ended_with_all_that_it_started`; `environment::azure_cli::the_deadline_of_a_call_ends_it`; `environment::azure_cli::a_program_that_is_left_behind_is_not_waited_for`; `environment::azure_cli::a_flood_of_output_is_no_token`; `environment::azure_cli::a_token_in_the_error_output_is_in_no_text` |
//! | F47 | federated token file | `credentials::workload_identity::a_file_that_is_rotated_is_read_again_at_each_renewal`; `credentials::workload_identity::a_file_behind_links_is_read_anew_through_them`; `credentials::workload_identity::white_space_around_the_assertion_is_not_sent`; `credentials::workload_identity::a_file_of_64_kib_is_read_and_a_larger_one_is_refused`; `credentials::workload_identity::settings_that_can_not_be_right_are_refused`; `credentials::workload_identity::a_file_that_is_missing_is_named_and_found_once_it_is_there`; `credentials::workload_identity::a_file_that_is_empty_is_named_and_read_once_it_is_written`; `credentials::workload_identity::a_file_that_holds_something_else_is_named_and_not_quoted`; `credentials::workload_identity::a_directory_is_no_file`; `credentials::workload_identity::what_is_no_regular_file_is_not_waited_for`; `credentials::workload_identity::the_old_token_serves_while_the_file_is_missing`; `credentials::workload_identity::a_refused_assertion_is_followed_by_the_next_one_after_a_minute` |
//! | F48 | proxy before a metadata service | `credentials::managed_identity::no_proxy_is_between_the_client_and_the_metadata_service`; `environment::managed_identity::no_proxy_of_the_environment_is_used` |
//! | F49 | metadata service in trouble | `credentials::managed_identity::what_may_pass_is_tried_five_times`; `credentials::managed_identity::an_update_is_waited_for_seventy_seconds`; `credentials::managed_identity::a_refusal_is_told_at_once`; `credentials::managed_identity::a_machine_without_a_metadata_service_is_told_so`; `credentials::managed_identity::an_address_that_does_not_answer_is_left_soon`; `environment::managed_identity::an_apps_endpoint_is_tried_again_where_that_can_help` |
//! | F50 | Azure Arc challenge for another file | `environment::managed_identity::a_challenge_gets_no_file_from_elsewhere`; `auth::managed_identity::arc::a_file_elsewhere_is_not_read`; `auth::managed_identity::arc::a_file_that_can_be_no_key_is_not_read` |
//!
//! ## Throttling
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F51 | 429 with a wait | `throttling::a_429_holds_back_every_thread_of_its_api_and_no_other`; `throttling::the_wait_that_the_service_asks_for_is_kept`; `writes::a_throttled_write_is_tried_again_after_the_pause` |
//! | F52 | waits that make no sense | `throttling::a_wait_that_is_over_is_the_back_off`; `throttling::a_wait_that_makes_no_sense_is_ignored`; `throttling::a_huge_wait_is_told_at_once`; `throttling::an_endless_pause_ends_after_an_hour`; `throttling::no_header_makes_a_call_wait_beyond_its_bounds` |
//! | F53 | 429 with the wait in words | `throttling::the_wait_is_taken_from_the_words_where_there_is_no_header` |
//! | F54 | 429 for ever | `throttling::an_endless_429_ends_after_the_last_try`; `throttling::an_endless_429_ends_at_the_deadline`; `writes::a_throttled_write_is_tried_again_after_the_pause` |
//! | F55 | wait beyond the deadline | `throttling::a_wait_beyond_the_deadline_is_told_at_once`; `throttling::no_retry_waits_beyond_the_deadline`; `writes::a_throttled_write_is_tried_again_after_the_pause` |
//! | F56 | one call above the limit | `throttling::the_1501st_call_of_an_hour_is_refused_or_waits`; `throttling::no_schedule_of_demands_passes_the_limits` |
//! | F57 | storm in which every call fails | `throttling::a_storm_of_failures_stays_within_the_limits` |
//! | F58 | retries and the limits | `throttling::every_try_takes_a_place_in_the_limits`; `throttling::a_retry_without_a_place_is_not_made` |
//! | F59 | walk dropped, panic with a permit | `throttling::a_walk_that_is_dropped_gives_its_place_back`; `throttling::calls_for_which_there_was_no_token_do_not_count`; `throttling::a_panicking_observer_leaves_the_queue` |
//!
//! ## Paging
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F60 | link to another host | `paging::a_link_to_another_host_gets_no_connection`; `paging::the_error_for_a_foreign_link_names_the_host`; `paging::no_list_follows_a_link_to_another_host`; `paging::a_link_of_the_service_is_followed_to_the_configured_origin` |
//! | F61 | link of another scheme | `paging::a_link_of_another_scheme_is_refused` |
//! | F62 | relative link, other case, default port | `paging::a_link_of_the_service_is_followed_to_the_configured_origin`; `paging::a_host_name_in_another_case_is_the_same_host` |
//! | F63 | link to another path | `paging::a_link_to_another_path_is_refused`; `paging::links_of_every_list_are_followed_on_its_own_path_only` |
//! | F64 | same link again | `paging::the_same_link_again_is_an_error` |
//! | F65 | links in a circle | `paging::a_link_from_before_is_an_error` |
//! | F66 | link whose `$skip` does not grow | `paging::a_link_whose_skip_does_not_grow_is_an_error`; `paging::a_skip_that_can_not_be_counted_does_not_grow`; `paging::a_link_that_leads_back_before_the_start_of_the_walk_is_an_error`; `paging::a_link_that_leads_back_before_the_page_it_stands_on_is_an_error`; `paging::a_service_that_pays_no_heed_to_skip_is_an_error` |
//! | F67 | empty page with a link | `paging::three_empty_pages_in_a_row_with_links_are_borne_and_a_fourth_is_not` |
//! | F68 | link of null, of nothing, of a number | `paging::a_link_of_null_or_nothing_is_the_end`; `paging::a_link_that_is_no_text_is_an_error` |
//! | F69 | short page with a link, full page without | `paging::where_there_are_links_they_decide_what_is_the_last_page`; `paging::a_walk_by_offsets_ends_where_the_list_is_known_to_end` |
//! | F70 | `$top` capped by the service | `paging::the_next_page_is_asked_for_behind_the_rows_received_not_those_asked_for`; `paging::a_service_that_caps_its_largest_pages_loses_no_row` |
//! | F71 | rows twice, totals that change | `paging::rows_that_come_twice_are_handed_out_twice` |
//! | F72 | failure in mid-walk | `paging::an_error_at_a_page_boundary_comes_once_behind_all_before_it_and_a_second_walk_completes_it`; `paging::a_walk_that_breaks_off_within_a_page_is_completed_from_its_offset`; `paging::a_malformed_row_is_one_error_that_skip_steps_over`; `paging::a_page_is_handed_out_before_the_error_of_the_way_on_from_it`; `paging::flattening_a_walk_that_fails_comes_to_an_end` |
//! | F73 | `value` missing, null, no list | `paging::a_page_without_rows_in_value_is_an_error_and_not_an_empty_list` |
//! | F74 | page of more rows than documented | `paging::a_page_of_more_rows_than_documented_is_a_page` |
//! | F75 | `$skip` that overflows | `paging::a_skip_that_can_not_be_counted_does_not_grow`; `paging::an_offset_that_can_not_be_counted_is_an_error`; `paging::the_largest_numbers_overflow_nowhere` |
//! | F76 | walk never finished | `paging::nothing_is_sent_before_the_first_next_and_no_page_is_fetched_ahead` |
//!
//! ## JSON and values
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F77 | JSON cut at its right length | `values::a_page_that_ends_too_soon_is_asked_for_once_more`; `values::an_entity_that_ends_too_soon_is_asked_for_once_more`; `values::machines_that_end_too_soon_are_asked_for_once_more`; `values::broken_json_is_an_error_that_says_where` |
//! | F78 | wrong types | `values::an_error_in_a_row_names_the_call_the_row_and_the_key_and_shows_no_value`; `values::an_error_in_a_session_shows_no_value_either`; `values::every_value_may_be_null_and_none_of_another_type_is_shown`; `values::numbers_come_as_text_and_text_as_numbers` |
//! | F79 | unknown fields and values | `values::unknown_keys_and_names_are_kept` |
//! | F80 | nesting bomb | `values::nesting_bombs_end_no_stack` |
//! | F81 | huge values | `values::a_huge_value_fits_within_the_limit_or_is_too_large` |
//! | F82 | byte order mark | `values::a_byte_order_mark_is_taken_off` |
//! | F83 | no UTF-8 | `values::a_body_in_another_encoding_is_an_error_that_says_so`; `values::bytes_that_are_no_text_are_an_error_wherever_they_stand` |
//! | F84 | keys twice | `values::a_known_key_twice_is_an_error`; `values::a_key_of_the_page_twice_is_an_error` |
//! | F85 | text behind the document | `values::text_behind_a_document_is_an_error_behind_its_rows` |
//! | F86 | row that is a list | `values::a_row_that_is_no_object_is_an_error` |
//! | F87 | dates of every kind | `values::dates_are_read_as_documented` |
//! | F88 | row without id | `values::a_row_without_an_id_is_one_error` |
//!
//! ## Inputs
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F89 | id that is none | `inputs::an_id_that_is_empty_blank_or_a_dot_segment_costs_no_call_no_permit_and_no_token`; `inputs::any_id_is_refused_or_arrives_as_exactly_that_one_segment` |
//! | F90 | id of any characters | `inputs::an_id_is_one_segment_of_the_path_whatever_it_holds`; `inputs::an_id_with_control_characters_is_refused`; `inputs::an_id_that_makes_the_url_too_long_is_refused`; `inputs::a_definitions_id_is_one_string_of_the_body_whatever_it_holds`; `inputs::any_id_is_refused_or_arrives_as_exactly_that_one_segment` |
//! | F91 | filter values that break out | `inputs::a_filter_value_is_one_literal_whatever_it_holds`; `inputs::a_filter_arrives_decoded_as_it_was_meant`; `inputs::any_filter_value_arrives_as_exactly_that_literal` |
//! | F92 | raw filter that can't be sent | `inputs::a_filter_that_cannot_be_sent_is_the_first_error`; `inputs::a_query_that_is_too_long_is_refused`; `inputs::a_raw_filter_is_sent_encoded_up_to_the_limit`; `inputs::what_can_not_be_asked_for_is_the_first_error_and_costs_no_call` |
//! | F93 | sizes and lists out of range | `inputs::a_top_of_nothing_sends_nothing_and_one_beyond_a_page_asks_for_a_page`; `inputs::machines_page_size_out_of_range_is_refused_with_the_range`; `inputs::history_page_size_out_of_range_is_refused_with_the_range`; `inputs::history_without_ids_is_refused`; `inputs::history_sends_an_id_once_and_keeps_the_order`; `inputs::history_takes_ten_thousand_ids`; `inputs::what_can_not_be_asked_for_is_the_first_error_and_costs_no_call` |
//! | F94 | base URLs of every kind | `tls::plain_http_is_for_loopback_alone`; `inputs::an_api_url_is_scheme_host_and_port_and_secure`; `inputs::a_login_authority_is_scheme_host_and_port_and_secure`; `inputs::one_slash_behind_a_base_url_is_let_pass`; `inputs::any_base_url_is_refused_or_is_the_only_place_to_which_anything_is_sent` |
//! | F95 | durations and limits of nothing, or huge | `inputs::no_timeout_may_be_zero`; `inputs::no_timeout_may_be_longer_than_a_day`; `inputs::a_deadline_must_not_be_zero_and_may_be_endless`; `inputs::a_body_limit_must_not_be_zero_and_may_be_anything_else`; `inputs::a_rate_limit_must_not_be_zero_and_may_be_anything_else`; `inputs::a_wait_may_be_none_or_endless`; `inputs::a_wait_of_none_fails_at_once_where_there_is_no_room`; `inputs::a_retry_delay_must_not_be_zero_and_may_be_endless`; `inputs::endless_durations_do_not_overflow_where_they_are_waited_for` |
//!
//! ## Threads
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F96 | one client, many threads | `threads::thirty_two_threads_on_one_client_stay_below_the_limits_together`; `threads::those_who_wait_are_served_in_the_order_in_which_they_came`; `threads::nobody_is_passed_twice_by_the_same_thread`; `threads::a_panic_with_a_permit_stops_nobody_else`; `threads::a_panic_in_the_queue_stops_nobody_else`; `threads::an_observer_may_look_at_the_quota`; `threads::nothing_hangs_where_everything_happens_at_once`; `threads::a_client_and_its_parts_are_send_and_sync` |
//! | F97 | two clients of one app | `threads::clients_with_one_limiter_share_its_windows_and_others_do_not`; `threads::the_threads_of_two_clients_stay_below_the_limits_of_their_limiter` |
//!
//! ## Secrets
//!
//! | fault | | proved by |
//! | --- | --- | --- |
//! | F98 | secrets in `Debug` and `Display` | `secrets::what_is_secret_is_sent_where_it_belongs_and_shown_nowhere`; `secrets::a_secret_shows_nothing_of_itself`; `secrets::a_configuration_shows_no_secret`; `secrets::a_credential_of_the_callers_is_asked_and_answers_without_showing_it`; `secrets::what_is_refused_before_it_is_used_is_in_no_text`; `secrets::an_answer_of_any_status_that_repeats_it_is_told_without_it`; `secrets::an_answer_whose_headers_repeat_it_is_told_without_it`; `secrets::an_answer_whose_kind_is_the_secret_is_told_without_it`; `secrets::a_redirect_that_repeats_it_is_told_without_it_and_not_followed`; `secrets::an_answer_of_the_wrong_shape_is_told_without_the_value`; `secrets::a_next_link_that_repeats_it_is_refused_without_showing_it`; `secrets::a_walk_in_circles_is_told_without_it`; `secrets::an_exchange_that_breaks_off_is_told_without_it`; `secrets::an_exchange_that_takes_too_long_is_told_without_it`; `secrets::a_connection_that_is_not_secure_is_told_without_it`; `secrets::a_token_that_is_refused_again_and_again_is_in_no_text`; `secrets::a_wait_is_told_without_it`; `secrets::a_client_secret_is_in_no_text_where_the_token_endpoint_repeats_it`; `secrets::a_client_secret_is_in_no_text_where_the_token_endpoint_breaks_off`; `secrets::a_proxys_password_is_in_no_text`; `credentials::client_certificate::the_key_is_in_no_text_about_a_pem_that_is_refused`; `credentials::client_certificate::key_and_assertion_are_in_no_text_whatever_the_token_endpoint_answers` |
//! | F99 | passwords of scan definitions | `secrets::a_scans_password_is_in_no_text_where_the_service_repeats_what_it_was_sent`; `secrets::a_scans_password_is_in_no_text_and_not_serialised`; `secrets::a_scans_password_is_in_no_text_where_the_definition_does_not_fit` |
//! | F100 | secrets in causes | `secrets::what_is_refused_before_it_is_used_is_in_no_text`; `secrets::a_scans_password_is_in_no_text_where_the_definition_does_not_fit`; `secrets::an_answer_of_any_status_that_repeats_it_is_told_without_it`; `secrets::an_answer_whose_headers_repeat_it_is_told_without_it`; `secrets::an_answer_whose_kind_is_the_secret_is_told_without_it`; `secrets::a_redirect_that_repeats_it_is_told_without_it_and_not_followed`; `secrets::an_answer_of_the_wrong_shape_is_told_without_the_value`; `secrets::a_next_link_that_repeats_it_is_refused_without_showing_it`; `secrets::a_walk_in_circles_is_told_without_it`; `secrets::an_exchange_that_breaks_off_is_told_without_it`; `secrets::an_exchange_that_takes_too_long_is_told_without_it`; `secrets::a_connection_that_is_not_secure_is_told_without_it`; `secrets::a_token_that_is_refused_again_and_again_is_in_no_text`; `secrets::a_client_secret_is_in_no_text_where_the_token_endpoint_repeats_it`; `secrets::a_client_secret_is_in_no_text_where_the_token_endpoint_breaks_off`; `secrets::a_proxys_password_is_in_no_text`; `credentials::client_certificate::the_key_is_in_no_text_about_a_pem_that_is_refused`; `credentials::client_certificate::key_and_assertion_are_in_no_text_whatever_the_token_endpoint_answers` |
//! | F101 | secrets in the log | `secrets::an_answer_of_any_status_that_repeats_it_is_told_without_it`; `secrets::an_answer_whose_headers_repeat_it_is_told_without_it`; `secrets::a_walk_in_circles_is_told_without_it`; `secrets::an_exchange_that_breaks_off_is_told_without_it`; `secrets::an_exchange_that_takes_too_long_is_told_without_it`; `secrets::a_connection_that_is_not_secure_is_told_without_it`; `secrets::a_token_that_is_refused_again_and_again_is_in_no_text`; `secrets::a_wait_is_told_without_it`; `secrets::a_client_secret_is_in_no_text_where_the_token_endpoint_repeats_it`; `secrets::a_proxys_password_is_in_no_text`; `secrets::a_failed_renewal_is_logged_without_secret_and_token`; `secrets::the_crates_lines_are_clean_and_the_transports_trace_is_warned_of`; `credentials::client_certificate::key_and_assertion_are_in_no_text_whatever_the_token_endpoint_answers` |
//! | F102 | secrets in panics and processes | `secrets::a_panic_while_a_token_is_fetched_shows_no_secret_and_leaves_the_client_whole`; `secrets::a_panic_while_a_call_waits_shows_no_secret_and_leaves_the_client_whole`; `secrets::the_crate_starts_nothing_but_the_azure_cli_and_has_no_panic_of_its_own` (stand-in) |
//! | F103 | token in a URL | `secrets::what_is_secret_is_sent_where_it_belongs_and_shown_nowhere`; `secrets::a_next_link_that_repeats_it_is_refused_without_showing_it`; `secrets::a_next_link_that_holds_the_token_is_not_followed` |
//! | F104 | secrets in memory | `secrets::texts_that_hold_a_secret_are_of_the_type_that_wipes_them` (stand-in) |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod auth;
mod build_script;
mod config;
mod cookbook;
mod credentials;
mod day;
mod decoding;
mod drift;
mod errors;
mod fake_tenant;
mod faults;
mod house;
mod inventory;
mod limits;
mod logs;
mod lookups;
#[cfg(feature = "rustls")]
mod mutual_tls;
#[cfg(feature = "native-tls")]
mod native_tls;
mod operations;
mod pages;
mod paging;
mod permissions;
mod pipeline;
#[cfg(feature = "rustls")]
mod proxies;
mod requests;
mod retries;
mod scan_report;
mod setup;
mod sources;
mod support;
mod writing;
