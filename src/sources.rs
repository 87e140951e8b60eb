//! The manual's page on what is known of the service, from where, and which code and test stand for
//! it. It holds no code.
//!
//! [What is known](#what-is-known-of-the-service-and-how-surely) comes first, then the [open
//! questions](#open-questions), then [the pages](#the-pages-sentence-by-sentence) that the crate was made
//! from, with each of their statements.
//!
//! # What is known of the service, and how surely
//!
//! Nobody here has called a tenant. What the crate knows is from the vendor's pages, from the service's own
//! schema (`GET /api/$metadata`, one snapshot of 2026), and from public clients; where they differ, both are read.
//!
//! |  | documented | from the schema only | confirmed by nobody |
//! | --- | --- | --- | --- |
//! | machines | list with `$filter`, `$top`, `$skip`; by id or name | nine of the fields | that `id eq .. or ..` takes 20 ids; that both share one quota, which is assumed |
//! | scan agents | list, by id | all keys in `camelCase` | whether one agent comes bare or in `value` |
//! | scan definitions | list; add, update, their answers; the request to delete | one by id; Linux; `AdvancedActive` and its settings; `Combined` targets; `isTroubleshootMode`; `keyVaultUri` (documented: `KeyVaultUrl`) | that Linux can be added; ranges as targets; which spelling of the vault is read; what a deletion answers |
//! | scan history | by definition with `$top` and `$skip`; by session with targets | session ids in rows by definition, general error, `camelCase` | the real rows of both; `$top` and `$skip` by session; that `scannerId` is a machine's id |
//!
//! What holds for all calls, and how the crate goes by it:
//!
//! | fact | known from | code |
//! | --- | --- | --- |
//! | Without `$top` a page of machines has 10,000 rows and a link to the next; with `$top` there is no link. | users' reports and public clients | [`machines::ListMachines`](crate::machines::ListMachines) |
//! | A link is the query as it came, with a larger `$skip`. One that leads in a circle was seen. | a user's report | [`ErrorKind::Paging`](crate::ErrorKind::Paging) |
//! | After a 429 `Retry-After` says how many seconds to wait. | documented | [`RetryPolicy`](crate::RetryPolicy) |
//! | The `code` of a 429 is `429` (documented: `TooManyRequests`), and its message repeats the wait. | two recorded bodies of other APIs | [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited): the status decides, the header goes before the words |
//! | Calls are counted by destination, tenant and application. | one recorded body of another API | [`Api`](crate::Api) |
//! | A token for another audience is answered with 403, and the newer hosts want the older audience. | documented | [`Cloud::with_scope`](crate::Cloud::with_scope) |
//! | A tenant without a licence is answered with 401, which no new token mends. | a public client's tests | [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized) |
//! | `target` of an error is an id to ask the vendor about. | documented | [`Error::request_id`](crate::Error::request_id) |
//! | A date of year 1 stands for none. | a public client | [`Machine::first_seen`](crate::machines::Machine::first_seen) |
//! | `scanAuthenticationParams` is null in answers, though documented as filled in. | a user's report and a public client | [`scan_authentication_params`](crate::scan_definitions::ScanDefinition::scan_authentication_params) |
//!
//! # Open questions
//!
//! Only a tenant can answer these. The example `probe` asks a real one all that can be asked by reading, and writes
//! a report without names, ids or addresses; it never writes, so that what a deletion answers stays open.
//!
//! | question | what the crate does meanwhile | code |
//! | --- | --- | --- |
//! | What do rows of scan history really look like, by definition and by session? | It reads the documented rows and the schema's, in either case. | [`ScanHistoryEntry`](crate::scan_history::ScanHistoryEntry) |
//! | Does one scan agent come bare, in `value`, or in a list there? | All three are read; out of a list only the one that was asked for is taken. | [`Client::scan_agent`](crate::Client::scan_agent) |
//! | Do the lists of scan agents and of scan definitions have pages? | They are asked for without options; a link to a next page is followed. | [`Client::scan_agents`](crate::Client::scan_agents), [`Client::scan_definitions`](crate::Client::scan_definitions) |
//! | Which headers has a 429? | `Retry-After` in seconds or as a date, else the wait in the message, else a pause that doubles. | [`RetryPolicy`](crate::RetryPolicy) |
//! | Which paths share a quota? | Four APIs are counted, each by itself; one machine counts with the list, one agent and one definition with theirs, and both kinds of history together. | [`Api`](crate::Api) |
//! | Which audience has a token for the government clouds? | The API host's own; any other can be set. | [`Cloud::GCC`](crate::Cloud::GCC), [`Cloud::with_scope`](crate::Cloud::with_scope) |
//! | Are `$orderby`, `$count` and `$select` heeded for machines? | None of them is sent, unless the caller does. | [`query_option`](crate::machines::ListMachines::query_option) |
//! | Does a next link keep the host of a region? | A link to a host of the API is asked of the configured one; to any other it is an error. | [`ErrorKind::Paging`](crate::ErrorKind::Paging) |
//! | What do status and body of a deletion say? | Any success is one, and status and body are handed out. | `delete_scan_definitions` (feature `write`) |
//! | How many ids does `id eq .. or ..` take? | 20 a call; the number can be set. | [`Client::machines_by_id`](crate::Client::machines_by_id) |
//! | Is `scannerId` a machine's id? | It is taken for one. | [`OnMachine`](crate::machines::OnMachine) |
//! | Are `$top` and `$skip` heeded for history by session? | They are sent only if asked for; a page that comes twice ends the walk with an error. | [`Client::scan_history_by_session`](crate::Client::scan_history_by_session) |
//!
//! # The pages, sentence by sentence
//!
//! The crate was made from five pages of the vendor. Each of their statements stands here in short, with the code
//! that goes by it and the tests that fail where it doesn't: `module::name`, in `tests/` or in `src/`. The pages are
//! read in editions of about 2022, with the defects of their samples.
//!
//! ## On several pages
//!
//! In the second column `agents` is «Get all scan agents», `agent` «Get scan agent by ID», `definitions` «Get scan
//! definitions», `machines` «List machines API» and `history` «Get scan history by definition».
//!
//! | statement | pages | code | tests |
//! | --- | --- | --- | --- |
//! | At most 100 calls a minute. | agents, agent, definitions, machines, history | [`RateLimits::documented`](crate::RateLimits::documented) | `limits::a_greedy_client_is_as_fast_as_the_documented_limits_allow_and_never_faster`; `rate_limit::the_documented_limits_are_kept_and_nobody_waits_longer_than_needed` |
//! | At most 1,500 calls an hour. | agents, agent, definitions, machines, history | [`RateLimits::documented`](crate::RateLimits::documented) | `limits::a_greedy_client_is_as_fast_as_the_documented_limits_allow_and_never_faster`; `throttling::the_1501st_call_of_an_hour_is_refused_or_waits` |
//! | Both are limits of the API that the page is about. | agents, agent, definitions, machines, history | [`Api`](crate::Api) | `limits::each_api_has_its_own_windows_and_the_agent_by_id_counts_with_the_agents` |
//! | The header `Authorization`, text, is required: `Bearer` and the token. | agents, agent, definitions, machines, history | [`Credential`](crate::Credential), [`AccessToken`](crate::AccessToken) | `requests::every_read_sends_these_headers_and_no_others`; `requests::history_posts_the_ids_and_a_page_size` |
//! | The request has no body. | agents, agent, definitions, machines | [`OperationPermissions::method`](crate::permissions::OperationPermissions::method) | `requests::every_read_sends_these_headers_and_no_others` |
//! | Success is 200. | agents, agent, definitions, machines, history | [`Error::status`](crate::Error::status) | `errors::every_status_but_200_is_an_error_of_its_kind`; `http::another_success_is_refused_and_shows_no_data` |
//! | US Government customers have URIs of their own (on a page that is linked). | agents, agent, definitions, machines, history | [`Cloud::GCC`](crate::Cloud::GCC), [`Cloud::GCC_HIGH`](crate::Cloud::GCC_HIGH), [`Cloud::DOD`](crate::Cloud::DOD) | `pages::the_hosts_are_those_of_the_pages`; `environment::a_cloud_by_name_selects_api_authority_and_scope` |
//! | A server closer by is faster: `api-us`, `api-eu`, `api-uk`, `api-au`, each `.securitycenter.microsoft.com` (written out on `history`, included by the others). | agents, agent, definitions, machines, history | [`Cloud::US`](crate::Cloud::US), [`Cloud::EU`](crate::Cloud::EU), [`Cloud::UK`](crate::Cloud::UK), [`Cloud::AU`](crate::Cloud::AU) | `pages::the_hosts_are_those_of_the_pages`; `environment::a_cloud_by_name_selects_api_authority_and_scope` |
//! | The examples use `https://api.securitycenter.microsoft.com` (`agents`: `api-us`). | agents, agent, definitions, machines, history | [`Cloud::COMMERCIAL`](crate::Cloud::COMMERCIAL) | `pages::the_hosts_are_those_of_the_pages`; `pages::the_urls_of_the_examples_are_what_is_asked_for` |
//! | Any one of the permissions will do. | agents, agent, definitions, history | [`OperationPermissions::allowed_by`](crate::permissions::OperationPermissions::allowed_by) | `permissions::what_the_data_says_is_missing_is_what_is_refused` |
//! | Application: `Machine.Read.All`, shown as reading all scan information. | agents, agent, definitions, history | [`OperationPermissions::application`](crate::permissions::OperationPermissions::application) | `pages::each_page_names_these_permissions_and_roles`; `permissions::what_the_data_says_is_missing_is_what_is_refused` |
//! | Delegated (work or school account): `Machine.Read.All`, shown likewise. | agents, agent, definitions, history | [`OperationPermissions::delegated`](crate::permissions::OperationPermissions::delegated) | `pages::each_page_names_these_permissions_and_roles`; `permissions::a_token_is_judged_by_what_is_its_own_kind` |
//! | With a user's token the user needs at least the role permission 'ViewData' or 'TvmViewData'. | agents, agent, definitions, history | [`OperationPermissions::roles`](crate::permissions::OperationPermissions::roles) | `pages::each_page_names_these_permissions_and_roles`; `permissions::the_report_of_a_users_token_names_scopes_and_the_role_of_the_user` |
//! | A prerelease: it may be changed. | agents, agent, definitions, history | [`ScanAgent::extra`](crate::scan_agents::ScanAgent::extra), [`ScanDefinition::extra`](crate::scan_definitions::ScanDefinition::extra), [`ScanHistoryEntry::extra`](crate::scan_history::ScanHistoryEntry::extra) | `scan_agents::a_command_that_never_was_and_version_numbers_are_read`; `scan_definitions::unknown_names_and_keys_are_kept`; `scan_history::unknown_statuses_and_keys_are_kept` |
//!
//! ## «Get all scan agents»
//!
//! | statement | code | tests |
//! | --- | --- | --- |
//! | Applies to Defender for Endpoint Plan 2, Defender Vulnerability Management and Microsoft 365 Defender. | [`Error::hint`](crate::Error::hint) | `pages::a_401_that_stays_may_be_a_plan_that_is_missing`; `permissions::the_report_tells_a_missing_licence_from_a_bad_token` |
//! | Returns a list of all scan agents. | [`Client::scan_agents`](crate::Client::scan_agents) | `operations::scan_agents_are_listed_as_documented`; `paging::links_of_every_list_are_followed_on_its_own_path_only` |
//! | `GET /api/DeviceAuthenticatedScanAgents`, without options. | [`Client::scan_agents`](crate::Client::scan_agents) | `requests::every_read_sends_these_headers_and_no_others`; `permissions::a_row_of_the_data_is_the_call_that_is_made` |
//! | The example asks the host `api-us`. | [`Cloud::US`](crate::Cloud::US) | `pages::the_hosts_are_those_of_the_pages` |
//! | `@odata.context`: where the list is described, on the host that was asked. Read over. | [`Client::scan_agents`](crate::Client::scan_agents) | `operations::scan_agents_are_listed_as_documented`; `page::every_page_gives_its_rows_in_order_once_and_its_link` |
//! | `value`: the agents. | [`Client::scan_agents`](crate::Client::scan_agents) | `http::a_page_of_json_that_is_no_list_is_no_answer`; `paging::a_page_without_rows_in_value_is_an_error_and_not_an_empty_list` |
//! | `id`: organisation and machine with `_` between them; the sample's are not all GUIDs and hexadecimal digits. | [`id`](crate::scan_agents::ScanAgent::id) | `scan_agents::the_documented_agents_are_read_in_either_case`; `scan_agents::an_agent_without_an_id_is_an_error` |
//! | `machineId`: the machine, of 38 characters in the sample, some no hexadecimal digits. | [`machine_id`](crate::scan_agents::ScanAgent::machine_id) | `scan_agents::the_documented_agents_are_read_in_either_case`; `lookups::whatever_names_a_machine_leads_to_it_with_one_call` |
//! | `lastSeen`: a date in UTC with 6 or 7 digits behind the second. | [`last_seen`](crate::scan_agents::ScanAgent::last_seen) | `scan_agents::the_documented_agents_are_read_in_either_case`; `wire::dates_have_zero_to_nine_fraction_digits` |
//! | `computerDnsName`: a name, in capitals in the sample. | [`computer_dns_name`](crate::scan_agents::ScanAgent::computer_dns_name) | `scan_agents::the_documented_agents_are_read_in_either_case` |
//! | `AssignedApplicationId`: a GUID in capitals. The key begins with one too. | [`assigned_application_id`](crate::scan_agents::ScanAgent::assigned_application_id) | `scan_agents::the_documented_agents_are_read_in_either_case`; `scan_agents::every_key_is_written_in_a_fixed_order` |
//! | `ScannerSoftwareVersion`: three numbers, as text. The key begins with a capital. | [`scanner_software_version`](crate::scan_agents::ScanAgent::scanner_software_version) | `scan_agents::the_documented_agents_are_read_in_either_case`; `operations::scan_agents_are_listed_as_documented` |
//! | `LastCommandExecutionTimestamp`: a date like `lastSeen`. The key begins with a capital. | [`last_command_execution_timestamp`](crate::scan_agents::ScanAgent::last_command_execution_timestamp) | `scan_agents::the_documented_agents_are_read_in_either_case`; `scan_agents::a_command_that_never_was_and_version_numbers_are_read` |
//! | `mdeClientVersion`: four numbers, as text. | [`mde_client_version`](crate::scan_agents::ScanAgent::mde_client_version) | `scan_agents::the_documented_agents_are_read_in_either_case` |
//! | Three keys begin with a capital, five don't. Either way of all is read. | [`ScanAgent`](crate::scan_agents::ScanAgent) | `scan_agents::the_documented_agents_are_read_in_either_case`; `scan_agents::every_key_is_read_in_pascal_case`; `scan_agents::both_spellings_of_a_key_are_an_error` |
//! | Defect: a comma behind the last agent, so that the sample is no JSON. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//!
//! ## «Get scan agent by ID»
//!
//! | statement | code | tests |
//! | --- | --- | --- |
//! | The title says «Get scan agent by ID», the heading leaves out a word. | [`OperationPermissions::page`](crate::permissions::OperationPermissions::page) | `pages::each_page_names_these_permissions_and_roles` |
//! | Applies to Defender for Endpoint Plan 2, Defender Vulnerability Management and Microsoft 365 Defender. | [`Error::hint`](crate::Error::hint) | `pages::a_401_that_stays_may_be_a_plan_that_is_missing`; `permissions::the_report_tells_a_missing_licence_from_a_bad_token` |
//! | Returns the details of one agent by its id. | [`Client::scan_agent`](crate::Client::scan_agent) | `operations::a_scan_agent_is_found_by_id_as_documented` |
//! | `GET /api/DeviceAuthenticatedScanAgents`: the id is missing in this line, and there in the example: `GET /api/DeviceAuthenticatedScanAgents/{id}`. | [`Client::scan_agent`](crate::Client::scan_agent) | `requests::every_read_sends_these_headers_and_no_others`; `permissions::a_row_of_the_data_is_the_call_that_is_made`; `inputs::an_id_is_one_segment_of_the_path_whatever_it_holds` |
//! | The id of the example has 40 hexadecimal digits, as a machine's has. Both ids are taken. | [`Client::scan_agent`](crate::Client::scan_agent) | `operations::a_scan_agent_is_found_by_id_as_documented`; `entity::every_form_of_the_answer_is_accepted` |
//! | The example's answer is an agent with neither of its ids the one that was asked for. Such an answer is refused. | [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) | `pages::the_sample_of_one_agent_answers_for_another_than_was_asked_for`; `entity::another_one_out_of_a_list_is_never_taken_for_the_one` |
//! | `@odata.context` ends in `$entity`, which means one agent and no list. | [`Client::scan_agent`](crate::Client::scan_agent) | `entity::every_form_of_the_answer_is_accepted` |
//! | `value` is a list of one agent all the same. | [`Client::scan_agent`](crate::Client::scan_agent) | `operations::a_scan_agent_is_found_by_id_as_documented`; `entity::every_form_of_the_answer_is_accepted` |
//! | `id`, `machineId`, `lastSeen`, `computerDnsName`, `AssignedApplicationId`, `ScannerSoftwareVersion`, `LastCommandExecutionTimestamp`, `mdeClientVersion`: as in the list, of which this is the first agent. | [`ScanAgent`](crate::scan_agents::ScanAgent) | `scan_agents::the_documented_agents_are_read_in_either_case` |
//! | Nothing is said of an id that there is not. | [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) | `http::a_404_for_one_entity_shows_its_id` |
//! | Defect: a comma behind the agent. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//!
//! ## «Get scan definitions»
//!
//! | statement | code | tests |
//! | --- | --- | --- |
//! | Applies to Defender for Endpoint Plan 1 and Plan 2, Defender Vulnerability Management and Microsoft 365 Defender. | [`Error::hint`](crate::Error::hint) | `pages::a_401_that_stays_may_be_a_plan_that_is_missing`; `permissions::the_report_tells_a_missing_licence_from_a_bad_token` |
//! | Returns a list of all scan definitions. | [`Client::scan_definitions`](crate::Client::scan_definitions) | `operations::scan_definitions_are_listed_as_documented`; `paging::links_of_every_list_are_followed_on_its_own_path_only` |
//! | `GET /api/DeviceAuthenticatedScanDefinitions`, without options. | [`Client::scan_definitions`](crate::Client::scan_definitions) | `requests::every_read_sends_these_headers_and_no_others`; `permissions::a_row_of_the_data_is_the_call_that_is_made` |
//! | `@odata.context`: where the list is described. Read over. | [`Client::scan_definitions`](crate::Client::scan_definitions) | `operations::scan_definitions_are_listed_as_documented`; `page::every_page_gives_its_rows_in_order_once_and_its_link` |
//! | `value`: the definitions. | [`Client::scan_definitions`](crate::Client::scan_definitions) | `http::a_page_of_json_that_is_no_list_is_no_answer`; `paging::a_page_without_rows_in_value_is_an_error_and_not_an_empty_list` |
//! | `id`: like a GUID, with letters and lengths that no GUID has. | [`id`](crate::scan_definitions::ScanDefinition::id) | `scan_definitions::the_documented_definitions_are_read`; `scan_definitions::a_definition_without_an_id_and_both_spellings_of_a_key_are_errors` |
//! | `scanType`: `Windows` or `Network`. | [`ScanType`](crate::scan_definitions::ScanType) | `scan_definitions::the_documented_definitions_are_read`; `operations::scan_definitions_are_listed_as_documented` |
//! | `scanName`: text. | [`scan_name`](crate::scan_definitions::ScanDefinition::scan_name) | `scan_definitions::the_documented_definitions_are_read` |
//! | `isActive`: true or false. | [`is_active`](crate::scan_definitions::ScanDefinition::is_active) | `scan_definitions::the_documented_definitions_are_read` |
//! | `target`: an address, as text. | [`target`](crate::scan_definitions::ScanDefinition::target) | `scan_definitions::the_documented_definitions_are_read` |
//! | `orgId`: like a GUID. | [`org_id`](crate::scan_definitions::ScanDefinition::org_id) | `scan_definitions::the_documented_definitions_are_read` |
//! | `intervalInHours`: a whole number. | [`interval_in_hours`](crate::scan_definitions::ScanDefinition::interval_in_hours) | `scan_definitions::the_documented_definitions_are_read` |
//! | `createdBy`: a user's name. | [`created_by`](crate::scan_definitions::ScanDefinition::created_by) | `scan_definitions::the_documented_definitions_are_read` |
//! | `targetType`: `Ip`. | [`TargetType`](crate::scan_definitions::TargetType) | `scan_definitions::the_documented_definitions_are_read` |
//! | `scanAuthenticationParams`: an object of one of two types. | [`scan_authentication_params`](crate::scan_definitions::ScanDefinition::scan_authentication_params) | `scan_definitions::the_documented_definitions_are_read` |
//! | `@odata.type`: `WindowsAuthParams` or `SnmpAuthParams`, behind `#microsoft.windowsDefenderATP.api.` | [`odata_type`](crate::scan_definitions::ScanAuthenticationParams::odata_type) | `scan_definitions::the_documented_definitions_are_read` |
//! | `type`: `Kerberos` (Windows), `AuthPriv` (SNMP). | [`AuthType`](crate::scan_definitions::AuthType) | `scan_definitions::the_documented_definitions_are_read` |
//! | `username`: text. | [`username`](crate::scan_definitions::ScanAuthenticationParams::username) | `scan_definitions::the_documented_definitions_are_read` |
//! | `domain`: text; `password` in the sample, which is a slip. | [`domain`](crate::scan_definitions::ScanAuthenticationParams::domain) | `scan_definitions::the_documented_definitions_are_read` |
//! | `isGmsaUser`: true or false. | [`is_gmsa_user`](crate::scan_definitions::ScanAuthenticationParams::is_gmsa_user) | `scan_definitions::the_documented_definitions_are_read`; `scan_definitions::conflicting_spellings_of_authentication_keys_are_read` |
//! | `authProtocol`, `privProtocol`: text that names itself in the sample. | [`auth_protocol`](crate::scan_definitions::ScanAuthenticationParams::auth_protocol), [`priv_protocol`](crate::scan_definitions::ScanAuthenticationParams::priv_protocol) | `scan_definitions::the_documented_definitions_are_read` |
//! | `authPassword`, `privPassword`, `communityString`: secrets in an answer. They are kept out of every text. | [`auth_password`](crate::scan_definitions::ScanAuthenticationParams::auth_password), [`priv_password`](crate::scan_definitions::ScanAuthenticationParams::priv_password), [`community_string`](crate::scan_definitions::ScanAuthenticationParams::community_string) | `scan_definitions::the_documented_definitions_are_read`; `scan_definitions::secrets_and_unknown_values_neither_show_nor_serialise`; `secrets::a_scans_password_is_in_no_text_and_not_serialised` |
//! | `scannerAgent`: the agent that scans, with `id`, `machineId`, `lastSeen`, `AssignedApplicationId`, `ScannerSoftwareVersion`, `LastCommandExecutionTimestamp` and `mdeClientVersion` as in the list of agents, capitals included. | [`scanner_agent`](crate::scan_definitions::ScanDefinition::scanner_agent) | `scan_definitions::the_documented_definitions_are_read`; `scan_definitions::every_key_is_read_in_pascal_case` |
//! | `machineName`: the agent's machine, where the list of agents says `computerDnsName`. | [`machine_name`](crate::scan_definitions::ScannerAgent::machine_name) | `scan_definitions::the_documented_definitions_are_read` |
//! | `latestScan`: how the last scan ended. | [`latest_scan`](crate::scan_definitions::ScanDefinition::latest_scan) | `scan_definitions::the_documented_definitions_are_read` |
//! | `status`: `Fail`. | [`LatestScanStatus`](crate::scan_definitions::LatestScanStatus) | `scan_definitions::the_documented_definitions_are_read` |
//! | `failureReason`: null in the sample, although the scan failed. | [`failure_reason`](crate::scan_definitions::LatestScan::failure_reason) | `scan_definitions::the_documented_definitions_are_read`; `scan_definitions::every_key_is_read_in_pascal_case` |
//! | `executionDateTime`: a date in UTC with 7 digits behind the second. | [`execution_date_time`](crate::scan_definitions::LatestScan::execution_date_time) | `scan_definitions::the_documented_definitions_are_read`; `wire::dates_have_zero_to_nine_fraction_digits` |
//! | Defect: the first definition has no closing brace. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//! | Defect: a quote too many behind `SnmpAuthParams`, and one too few before the `type` that follows. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//! | Defect: a comma behind the last definition, and a closing brace too many. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//!
//! ## «List machines API»
//!
//! | statement | code | tests |
//! | --- | --- | --- |
//! | Applies to Defender for Endpoint, no plan named. | [`Error::hint`](crate::Error::hint) | `pages::a_401_that_stays_may_be_a_plan_that_is_missing`; `permissions::the_report_tells_a_missing_licence_from_a_bad_token` |
//! | Returns the machines that have communicated with the service. | [`Client::machines`](crate::Client::machines) | `operations::machines_are_listed_as_documented`; `paging::a_hundred_thousand_machines_come_once_and_in_order_though_every_third_exchange_fails` |
//! | Supports OData V4 queries. | [`Filter::raw`](crate::filter::Filter::raw), [`query_option`](crate::machines::ListMachines::query_option) | `requests::machines_query_option_is_sent_under_its_name`; `requests::machines_options_stand_together_in_one_query` |
//! | `$filter` is supported. | [`filter`](crate::machines::ListMachines::filter) | `requests::machines_filter_is_sent_as_dollar_filter` |
//! | It is supported on `computerDnsName`, `lastSeen`, `healthStatus`, `osPlatform`, `riskScore` and `rbacGroupId`. | [`COMPUTER_DNS_NAME`](crate::machines::field::COMPUTER_DNS_NAME), [`LAST_SEEN`](crate::machines::field::LAST_SEEN), [`HEALTH_STATUS`](crate::machines::field::HEALTH_STATUS), [`OS_PLATFORM`](crate::machines::field::OS_PLATFORM), [`RISK_SCORE`](crate::machines::field::RISK_SCORE), [`RBAC_GROUP_ID`](crate::machines::field::RBAC_GROUP_ID) | `machines::every_constant_names_its_property_as_the_service_does` |
//! | There are examples on «OData queries with Defender for Endpoint», which is a related topic too. | [`field`](crate::machines::field) | `machines::every_constant_names_its_property_as_the_service_does`; `inputs::a_filter_arrives_decoded_as_it_was_meant` |
//! | Devices last seen within the configured retention period are listed. | [`Client::machines_by_id`](crate::Client::machines_by_id) | `pages::a_machine_that_the_service_keeps_back_is_none_of_the_list` |
//! | A page has at most 10,000 machines. | [`page_size`](crate::machines::ListMachines::page_size) | `requests::machines_page_size_is_sent_as_dollar_top`; `inputs::machines_page_size_out_of_range_is_refused_with_the_range`; `inputs::a_top_of_nothing_sends_nothing_and_one_beyond_a_page_asks_for_a_page` |
//! | Application: `Machine.Read.All`, reading all machine profiles. | [`OperationPermissions::application`](crate::permissions::OperationPermissions::application) | `pages::each_page_names_these_permissions_and_roles`; `permissions::what_the_data_says_is_missing_is_what_is_refused` |
//! | Application: `Machine.ReadWrite.All`, reading and writing all machine information. | [`OperationPermissions::application`](crate::permissions::OperationPermissions::application) | `pages::each_page_names_these_permissions_and_roles`; `permissions::what_the_data_says_is_missing_is_what_is_refused` |
//! | Delegated (work or school account): `Machine.Read`, reading machine information. | [`OperationPermissions::delegated`](crate::permissions::OperationPermissions::delegated) | `pages::each_page_names_these_permissions_and_roles`; `permissions::a_token_is_judged_by_what_is_its_own_kind` |
//! | Delegated (work or school account): `Machine.ReadWrite`, reading and writing machine information. | [`OperationPermissions::delegated`](crate::permissions::OperationPermissions::delegated) | `pages::each_page_names_these_permissions_and_roles`; `permissions::a_token_is_judged_by_what_is_its_own_kind` |
//! | With a user's token the user needs at least the role permission 'View Data', which other pages write in one word. | [`OperationPermissions::roles`](crate::permissions::OperationPermissions::roles) | `pages::each_page_names_these_permissions_and_roles`; `permissions::a_row_in_words` |
//! | With a user's token only devices are listed that the user may see by device group. | [`Client::machines_by_id`](crate::Client::machines_by_id) | `pages::a_machine_that_the_service_keeps_back_is_none_of_the_list` |
//! | `GET /api/machines`, behind the host. | [`Client::machines`](crate::Client::machines) | `requests::every_read_sends_these_headers_and_no_others`; `permissions::a_row_of_the_data_is_the_call_that_is_made`; `pages::the_urls_of_the_examples_are_what_is_asked_for` |
//! | If there are machines, the answer is a list of them. | [`Items`](crate::Items) | `operations::machines_are_listed_as_documented` |
//! | If there are no recent machines, the answer is 404. | [`Items::ended_by_not_found`](crate::Items::ended_by_not_found) | `http::a_404_of_the_service_ends_the_machines_and_is_told`; `http::a_404_of_anybody_else_is_an_error_and_no_empty_fleet` |
//! | `@odata.context`: where the list is described. Read over. | [`Client::machines`](crate::Client::machines) | `operations::machines_are_listed_as_documented`; `page::every_page_gives_its_rows_in_order_once_and_its_link` |
//! | `value`: the machines. | [`Client::machines`](crate::Client::machines) | `http::a_page_of_json_that_is_no_list_is_no_answer`; `paging::a_page_without_rows_in_value_is_an_error_and_not_an_empty_list` |
//! | `id`: 40 hexadecimal digits. | [`id`](crate::machines::Machine::id) | `machines::the_documented_machine_is_read`; `machines::the_key_must_be_there` |
//! | `computerDnsName`: a full name. | [`computer_dns_name`](crate::machines::Machine::computer_dns_name) | `machines::the_documented_machine_is_read` |
//! | `firstSeen`: a date in UTC with 7 digits behind the second. | [`first_seen`](crate::machines::Machine::first_seen) | `machines::the_documented_machine_is_read`; `wire::dates_have_zero_to_nine_fraction_digits` |
//! | `lastSeen`: a date in UTC with 6 digits behind the second. | [`last_seen`](crate::machines::Machine::last_seen) | `machines::the_documented_machine_is_read`; `wire::dates_have_zero_to_nine_fraction_digits` |
//! | `osPlatform`: `Windows10`. | [`os_platform`](crate::machines::Machine::os_platform) | `machines::the_documented_machine_is_read` |
//! | `osProcessor`: `x64`. | [`os_processor`](crate::machines::Machine::os_processor) | `machines::the_documented_machine_is_read` |
//! | `version`: a number, as text. | [`version`](crate::machines::Machine::version) | `machines::the_documented_machine_is_read`; `machines::known_wobblers_are_read` |
//! | `lastIpAddress`, `lastExternalIpAddress`: addresses, as text. | [`last_ip_address`](crate::machines::Machine::last_ip_address), [`last_external_ip_address`](crate::machines::Machine::last_external_ip_address) | `machines::the_documented_machine_is_read` |
//! | `osBuild`: a whole number. | [`os_build`](crate::machines::Machine::os_build) | `machines::the_documented_machine_is_read`; `machines::known_wobblers_are_read` |
//! | `healthStatus`: `Active`. | [`HealthStatus`](crate::machines::HealthStatus) | `machines::the_documented_machine_is_read` |
//! | `deviceValue`: `Normal`. | [`DeviceValue`](crate::machines::DeviceValue) | `machines::the_documented_machine_is_read` |
//! | `rbacGroupName`: text. `rbacGroupId`, by which can be filtered, is not in the sample. | [`rbac_group_name`](crate::machines::Machine::rbac_group_name), [`rbac_group_id`](crate::machines::Machine::rbac_group_id) | `machines::the_documented_machine_is_read`; `machines::every_property_of_the_schema_is_read` |
//! | `riskScore`: `Low`. | [`RiskScore`](crate::machines::RiskScore) | `machines::the_documented_machine_is_read` |
//! | `exposureLevel`: `Low`. | [`ExposureLevel`](crate::machines::ExposureLevel) | `machines::the_documented_machine_is_read` |
//! | `aadDeviceId`: a GUID. | [`aad_device_id`](crate::machines::Machine::aad_device_id) | `machines::the_documented_machine_is_read` |
//! | `machineTags`: a list of texts. | [`machine_tags`](crate::machines::Machine::machine_tags) | `machines::the_documented_machine_is_read`; `operations::machines_are_listed_as_documented` |
//! | `ipAddresses`: a list of objects. | [`ip_addresses`](crate::machines::Machine::ip_addresses) | `machines::the_documented_machine_is_read` |
//! | `ipAddress`: of version 4 or 6. | [`ip_address`](crate::machines::MachineIpAddress::ip_address) | `machines::the_documented_machine_is_read` |
//! | `macAddress`: 12 hexadecimal digits without separators. | [`mac_address`](crate::machines::MachineIpAddress::mac_address) | `machines::the_documented_machine_is_read` |
//! | `operationalStatus`: `Up`. | [`OperationalStatus`](crate::machines::OperationalStatus) | `machines::the_documented_machine_is_read` |
//! | Defect: three dots behind the only machine and its comma. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//!
//! ## «Get scan history by definition»
//!
//! | statement | code | tests |
//! | --- | --- | --- |
//! | Applies to: the list is empty in the copy at hand. | [`Error::hint`](crate::Error::hint) | `pages::a_401_that_stays_may_be_a_plan_that_is_missing`; `permissions::the_report_tells_a_missing_licence_from_a_bad_token` |
//! | Returns a list of the scan history by definitions. | [`Client::scan_history`](crate::Client::scan_history) | `operations::scan_history_is_asked_for_by_definition_as_documented` |
//! | Supports OData's `$top` and `$skip`, and names no other option. | [`ListScanHistory`](crate::scan_history::ListScanHistory) | `requests::history_top_is_sent_as_dollar_top`; `requests::history_skip_is_sent_as_dollar_skip` |
//! | `$top` is at most 4096. | [`page_size`](crate::scan_history::ListScanHistory::page_size) | `inputs::history_page_size_out_of_range_is_refused_with_the_range`; `inputs::a_top_of_nothing_sends_nothing_and_one_beyond_a_page_asks_for_a_page`; `requests::history_posts_the_ids_and_a_page_size` |
//! | `$top` is the number of sessions that are returned. | [`top`](crate::scan_history::ListScanHistory::top) | `requests::history_top_is_sent_as_dollar_top`; `paging::top_is_the_number_of_rows_in_all` |
//! | `$skip` is 0 where it is left out. | [`skip`](crate::scan_history::ListScanHistory::skip) | `requests::history_posts_the_ids_and_a_page_size` |
//! | `$skip` is the number of sessions that are left out. | [`skip`](crate::scan_history::ListScanHistory::skip) | `requests::history_skip_is_sent_as_dollar_skip`; `paging::history_is_always_asked_for_with_top_and_skip_and_the_same_ids` |
//! | `POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId`, printed without its first slash. | [`Client::scan_history`](crate::Client::scan_history) | `requests::history_posts_the_ids_and_a_page_size`; `permissions::a_row_of_the_data_is_the_call_that_is_made` |
//! | The header `Content-Type`, text, is required: `application/json`. | [`Client::scan_history`](crate::Client::scan_history) | `requests::history_says_that_its_body_is_json`; `requests::history_posts_the_ids_and_a_page_size` |
//! | The body is a JSON object. | [`Client::scan_history`](crate::Client::scan_history) | `requests::history_posts_the_ids_and_a_page_size`; `inputs::a_definitions_id_is_one_string_of_the_body_whatever_it_holds` |
//! | `ScanDefinitionIds` is required in it: the id of a scan. | [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) | `requests::history_posts_the_ids_and_a_page_size`; `inputs::history_without_ids_is_refused` |
//! | It is text by the table, and an array of texts in the example. The array is sent. | [`Client::scan_history`](crate::Client::scan_history) | `pages::the_examples_ids_are_posted_as_one_array_in_one_call`; `requests::history_posts_the_ids_and_a_page_size` |
//! | The example asks for three definitions with one call. | [`Client::scan_history`](crate::Client::scan_history) | `pages::the_examples_ids_are_posted_as_one_array_in_one_call` |
//! | `@odata.context` is the URL that was asked for, without `$metadata#`. Read over. | [`Client::scan_history`](crate::Client::scan_history) | `operations::scan_history_is_asked_for_by_definition_as_documented`; `scan_history::the_documented_history_is_read` |
//! | `value`: the sessions. | [`Client::scan_history`](crate::Client::scan_history) | `http::a_page_of_json_that_is_no_list_is_no_answer`; `paging::a_page_without_rows_in_value_is_an_error_and_not_an_empty_list` |
//! | `ScanDefinitionIds`: one id as text, despite the plural. An array of one is read too. | [`scan_definition_id`](crate::scan_history::ScanHistoryEntry::scan_definition_id) | `scan_history::the_documented_history_is_read`; `scan_history::an_id_comes_alone_or_as_an_array_of_one`; `scan_history::more_than_one_id_is_an_error` |
//! | `LastScanned`: a date in UTC with 7 digits behind the second. | [`last_scanned`](crate::scan_history::ScanHistoryEntry::last_scanned) | `scan_history::the_documented_history_is_read`; `wire::dates_have_zero_to_nine_fraction_digits` |
//! | `ScanStatus`: `Partial Success`, with a space. | [`ScanStatus`](crate::scan_history::ScanStatus) | `scan_history::the_documented_history_is_read`; `scan_history::unknown_statuses_and_keys_are_kept` |
//! | `ScannerId`: 40 hexadecimal digits, as a machine's id has. | [`scanner_id`](crate::scan_history::ScanHistoryEntry::scanner_id) | `scan_history::the_documented_history_is_read`; `lookups::whatever_names_a_machine_leads_to_it_with_one_call` |
//! | All four keys begin with a capital, which the schema's don't. | [`ScanHistoryEntry`](crate::scan_history::ScanHistoryEntry) | `scan_history::the_shape_of_the_services_schema_is_read`; `scan_history::two_spellings_of_a_key_are_an_error` |
//! | The second example puts `?$top=1` behind the path. | [`top`](crate::scan_history::ListScanHistory::top) | `pages::the_urls_of_the_examples_are_what_is_asked_for`; `requests::history_top_is_sent_as_dollar_top` |
//! | Its answer is one session. | [`top`](crate::scan_history::ListScanHistory::top) | `scan_history::the_documented_history_is_read`; `paging::more_rows_than_asked_for_are_counted_as_they_come_and_cut_at_top` |
//! | Defect: a comma behind the last session, in both answers. | `tests/fixtures/README.md` | `pages::a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list` |
//!
//! Beside these the pages hold what means nothing for code: the words about a new name of the product, the offers of
//! a free trial, the disclaimer of warranties, the link to the vendor's community, the data about the page itself
//! (authors, dates, keywords, collections), and the links to «Use Microsoft Defender for Endpoint APIs», «Create and
//! manage roles», «Create and manage device groups» and the resource page «Machine».
