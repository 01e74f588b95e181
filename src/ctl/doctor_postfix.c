/* doctor_postfix.c -- does Postfix ask us as it should?
 *
 * The call stands after reject_unauth_destination: an answer OK before it would let strangers
 * relay.  It is meant for port 25, where strangers come in.  While weighd is away
 * default_action speaks for it, and Postfix waits longer than our deadline.
 *
 * Source: Postfix SMTPD_POLICY_README, postconf(5), spawn(8).
 */
#include "ctl/doctor_postfix_priv.h"

#include "base/number.h"

static enum placement placement_of(const struct call *call, bool is_relay_guarded)
{
	switch (call->stage) {
	case STAGE_CLIENT:
	case STAGE_HELO:
	case STAGE_SENDER: return PLACED_EARLY;
	case STAGE_DATA:
	case STAGE_END_OF_DATA: return PLACED_RIGHT;
	case STAGE_RELAY:
	case STAGE_RECIPIENT:
	case STAGE_COUNT: break;
	}
	if (call->is_unreachable)
		return PLACED_NEVER;
	if (call->is_guarded)
		return PLACED_RIGHT;
	if (call->is_guarded_later || call->stage == STAGE_RELAY || !is_relay_guarded)
		return PLACED_OPEN;
	return PLACED_RIGHT;
}

static const char *guard_of(const struct call *call)
{
	if (call->stage > STAGE_RECIPIENT)
		return "after all recipients";
	return call->is_guarded ? "after reject_unauth_destination"
				: "and smtpd_relay_restrictions refuses relaying";
}

static void judge_placement(struct patient *patient, const struct call *call)
{
	struct diagnosis *diagnosis = patient->diagnosis;
	const char *list = stage_parameter(call->stage);

	switch (placement_of(call, patient->is_relay_guarded)) {
	case PLACED_RIGHT:
		diagnose(diagnosis, SYMPTOM_OK, "postfix", "Postfix: %.*s asks weighd in %s, %s",
			 SPAN_ARG(patient->service->name), list, guard_of(call));
		return;
	case PLACED_OPEN:
		diagnose(diagnosis, SYMPTOM_FAIL, "postfix",
			 "Postfix: check_policy_service stands before reject_unauth_destination "
			 "(%s of %.*s)",
			 list, SPAN_ARG(patient->service->name));
		diagnosis_why(diagnosis, "this can make an open relay%s",
			      patient->is_relay_guarded && call->stage == STAGE_RECIPIENT
				      ? "; smtpd_relay_restrictions alone prevents it now"
				      : "");
		break;
	case PLACED_EARLY:
		diagnose(diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: %.*s asks weighd in %s, before relaying is refused",
			 SPAN_ARG(patient->service->name), list);
		diagnosis_why(diagnosis, "mail that is refused anyway is weighed, and an OK skips "
					 "the rest of this list");
		break;
	case PLACED_NEVER:
		diagnose(diagnosis, SYMPTOM_FAIL, "postfix",
			 "Postfix: %.*s never reaches check_policy_service in %s: all is decided "
			 "before it",
			 SPAN_ARG(patient->service->name), list);
		break;
	}
	postfix_fix_list(patient, call);
}

/* --- while weighd is away --- */

enum action { ACTION_PASSES, ACTION_PERMITS, ACTION_DEFERS, ACTION_REFUSES };

static enum action action_of(struct span action)
{
	struct span rest = action, word;

	if (!postconf_word(&rest, &word))
		return ACTION_PASSES;
	if (span_equal_nocase(word, SPAN("OK")) || span_equal_nocase(word, SPAN("permit")))
		return ACTION_PERMITS;
	if (span_equal_nocase(word, SPAN("REJECT")) || span_starts(word, SPAN("5")))
		return ACTION_REFUSES;
	if (span_starts_nocase(word, SPAN("DEFER")) || span_starts(word, SPAN("4")))
		return ACTION_DEFERS;
	return ACTION_PASSES;
}

static void judge_default_action(struct patient *patient, const struct call *call)
{
	struct diagnosis *diagnosis = patient->diagnosis;
	struct span global = SPAN("smtpd_policy_service_default_action");
	struct span action = call->default_action;
	bool is_said = action.len > 0;

	if (!is_said) {
		action = postconf_get(patient->postconf, patient->service, global);
		is_said = postconf_has(patient->postconf, patient->service, global);
	}
	switch (action_of(action)) {
	case ACTION_PASSES:
		diagnose(diagnosis, SYMPTOM_OK, "postfix",
			 "Postfix: default_action=%.*s while weighd is away", SPAN_ARG(action));
		return;
	case ACTION_PERMITS:
		diagnose(diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: default_action=%.*s lets mail skip all later restrictions "
			 "while weighd is away",
			 SPAN_ARG(action));
		break;
	case ACTION_REFUSES:
		diagnose(diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: default_action=%.*s refuses all mail while weighd is away",
			 SPAN_ARG(action));
		break;
	case ACTION_DEFERS:
		if (is_said) {
			diagnose(diagnosis, SYMPTOM_NOTE, "postfix",
				 "Postfix: default_action=%.*s: mail waits while weighd is away",
				 SPAN_ARG(action));
			return;
		}
		diagnose(diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: the call has no default_action: while weighd is away all mail "
			 "is deferred");
		diagnosis_why(diagnosis, "Postfix's own default is \"%.*s\"", SPAN_ARG(action));
		break;
	}
	postfix_fix_list(patient, call);
}

/* --- times --- */

static int64_t time_of(const struct patient *patient, const struct call *call,
		       struct span attribute, struct span parameter)
{
	struct span value = call_attribute(call, attribute);

	if (value.len == 0)
		value = postconf_get(patient->postconf, patient->service, parameter);
	return postconf_time_ms(value);
}

static void judge_timeout(struct patient *patient, const struct call *call)
{
	int64_t deadline_ms = patient->facts->config->deadline_ms;
	int64_t timeout_ms =
		time_of(patient, call, SPAN("timeout"), SPAN("smtpd_policy_service_timeout"));
	/* A second for the way there and back. */
	int64_t least_s = deadline_ms / 1000 + 2;

	if (timeout_ms < 0) {
		diagnose(patient->diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: the timeout of the policy service is no time");
	} else if (timeout_ms > deadline_ms) {
		diagnose(patient->diagnosis, SYMPTOM_OK, "postfix",
			 "Postfix: waits %lld s for an answer, weighd's deadline is %lld ms",
			 (long long)timeout_ms / 1000, (long long)deadline_ms);
		return;
	} else {
		diagnose(patient->diagnosis, SYMPTOM_FAIL, "postfix",
			 "Postfix: waits %lld s for an answer, weighd's deadline is %lld ms",
			 (long long)timeout_ms / 1000, (long long)deadline_ms);
		diagnosis_why(patient->diagnosis,
			      "Postfix gives up first: every mail with slow DNS meets "
			      "default_action");
	}
	if (call_attribute(call, SPAN("timeout")).len > 0)
		postfix_fix_timeout(patient, call, least_s < 10 ? 10 : least_s);
	else
		postfix_fix_parameter(patient, SPAN("smtpd_policy_service_timeout"), SPAN("100s"));
}

static void judge_idle(struct patient *patient, const struct call *call)
{
	int64_t idle_ms =
		time_of(patient, call, SPAN("max_idle"), SPAN("smtpd_policy_service_max_idle"));
	int64_t ours_ms = patient->facts->config->limits.idle_connection_s * 1000;

	if (idle_ms <= ours_ms)
		return;
	diagnose(patient->diagnosis, SYMPTOM_WARN, "postfix",
		 "Postfix: keeps an idle connection %lld s, weighd closes it after %lld s",
		 (long long)idle_ms / 1000, (long long)ours_ms / 1000);
	diagnosis_why(patient->diagnosis, "Postfix logs a warning and asks again a second later");
	diagnosis_fix(patient->diagnosis, "limits { idle_connection_s %lld } in weighd.conf",
		      (long long)idle_ms / 1000 + 30);
}

static void judge_processes(struct patient *patient)
{
	struct span limit = patient->service->process_limit;
	int64_t ours = patient->facts->config->limits.connections_per_source;
	int64_t theirs;

	if (limit.len == 0 || span_equal(limit, SPAN("-")))
		limit = postconf_get(patient->postconf, NULL, SPAN("default_process_limit"));
	if (number_parse(limit, &theirs) != OK || (theirs > 0 && theirs <= ours))
		return;
	diagnose(patient->diagnosis, SYMPTOM_WARN, "postfix",
		 "Postfix: %.*s may run %lld processes (0: any number), weighd serves %lld "
		 "connections of one source",
		 SPAN_ARG(patient->service->name), (long long)theirs, (long long)ours);
	diagnosis_fix(patient->diagnosis,
		      "limits { connections_per_source %lld } in weighd.conf, and connections to "
		      "match",
		      theirs > 0 ? (long long)theirs : (long long)ours * 4);
}

/* --- the way to the socket --- */

static void say_out_of_reach(struct patient *patient, const struct call *call)
{
	struct span queue = postconf_get(patient->postconf, NULL, SPAN("queue_directory"));
	TEXT(reached, SYMPTOM_TEXT_MAX / 4);

	call_path(patient, call, &reached);
	diagnose(patient->diagnosis, SYMPTOM_FAIL, "postfix",
		 "Postfix: %.*s looks for the socket at %s; weighd listens at %.*s",
		 SPAN_ARG(patient->service->name), text_cstr(&reached),
		 SPAN_ARG(call->listener->path));
	if (patient->is_chrooted)
		diagnosis_why(patient->diagnosis,
			      "the service runs in the chroot %.*s (fifth column of master.cf)",
			      SPAN_ARG(queue));
	diagnosis_fix(patient->diagnosis,
		      "listen unix:%s mode 0666 policy %.*s in weighd.conf, or call an inet: "
		      "listener, which no chroot hides",
		      text_cstr(&reached), SPAN_ARG(call->listener->policy->name));
}

static const struct socket_facts *socket_of(const struct patient *patient, struct span path)
{
	for (size_t i = 0; i < patient->facts->socket_count; i++)
		if (span_equal(patient->facts->socket[i].path, path))
			return &patient->facts->socket[i];
	return NULL;
}

enum { OTHERS_MAY_WRITE = 0002, GROUP_MAY_WRITE = 0020 };

static void judge_socket(struct patient *patient, const struct call *call)
{
	const struct socket_facts *socket;
	TEXT(reached, SYMPTOM_TEXT_MAX / 4);

	if (call->listener == NULL || !call->listener->is_unix)
		return;
	call_path(patient, call, &reached);
	if (!span_equal(text_span(&reached), call->listener->path)) {
		say_out_of_reach(patient, call);
		return;
	}
	socket = socket_of(patient, call->listener->path);
	if (socket == NULL || !socket->is_there)
		return; /* said of the listener already */
	if (!socket->is_socket) {
		diagnose(patient->diagnosis, SYMPTOM_FAIL, "postfix", "Postfix: %.*s is no socket",
			 SPAN_ARG(socket->path));
		diagnosis_fix(patient->diagnosis, "remove it, and restart weighd");
	} else if ((socket->mode & OTHERS_MAY_WRITE) == 0 && !socket->is_postfix_owned) {
		diagnose(patient->diagnosis, SYMPTOM_FAIL, "postfix",
			 "Postfix: may not write to %.*s (mode %04o)", SPAN_ARG(socket->path),
			 socket->mode);
		diagnosis_fix(patient->diagnosis,
			      "listen unix:%.*s mode 0666 policy %.*s in weighd.conf; its "
			      "directory keeps others away",
			      SPAN_ARG(socket->path), SPAN_ARG(call->listener->policy->name));
	} else {
		diagnose(patient->diagnosis, SYMPTOM_OK, "postfix",
			 "Postfix: reaches %.*s (mode %04o)%s", SPAN_ARG(socket->path),
			 socket->mode, patient->is_chrooted ? " from its chroot" : "");
	}
}

/* --- services --- */

static void judge_call(struct patient *patient, const struct call *call)
{
	judge_placement(patient, call);
	judge_default_action(patient, call);
	judge_timeout(patient, call);
	judge_idle(patient, call);
	judge_socket(patient, call);
}

/* Of several services that read the same list of main.cf, the first one is looked at. */
static bool is_new(struct patient *patient, const struct call *call)
{
	struct span list = postconf_get(patient->postconf, patient->service,
					span_cstr(stage_parameter(call->stage)));

	for (size_t i = 0; i < patient->seen_count; i++)
		if (patient->seen[i].stage == call->stage &&
		    patient->seen[i].is_chrooted == patient->is_chrooted &&
		    span_equal(patient->seen[i].list, list) &&
		    span_equal(patient->seen[i].server, call->server))
			return false;
	if (patient->seen_count < CALLS_MAX)
		patient->seen[patient->seen_count++] =
			(struct seen){ call->stage, list, call->server, patient->is_chrooted };
	return true;
}

static void judge_incoming(struct patient *patient)
{
	bool is_called = false;

	for (size_t i = 0; i < patient->call_count; i++) {
		if (!patient->call[i].is_ours)
			continue;
		is_called = true;
		if (is_new(patient, &patient->call[i]))
			judge_call(patient, &patient->call[i]);
	}
	if (is_called) {
		patient->asked_count++;
		judge_processes(patient);
		return;
	}
	patient->unasked_count++;
	if (patient->unasked == NULL)
		patient->unasked = patient->service;
}

static void judge_not_asked(struct patient *patient)
{
	if (patient->unasked == NULL)
		return;
	patient_take(patient, patient->unasked);
	if (patient->asked_count > 0) {
		diagnose(patient->diagnosis, SYMPTOM_NOTE, "postfix",
			 "Postfix: %.*s does not ask weighd", SPAN_ARG(patient->service->name));
		return;
	}
	diagnose(patient->diagnosis, SYMPTOM_FAIL, "postfix", "Postfix: %.*s does not ask weighd",
		 SPAN_ARG(patient->service->name));
	for (size_t i = 0; i < patient->call_count; i++)
		diagnosis_why(patient->diagnosis, "it asks %.*s, which is not where weighd listens",
			      SPAN_ARG(patient->call[i].server));
	postfix_fix_list(patient, NULL);
}

static void judge_own_users(struct patient *patient)
{
	const struct postconf_service *service = patient->service;
	bool is_local = service_kind(patient->postconf, service) == SERVICE_REINJECTION;

	for (size_t i = 0; i < patient->call_count; i++) {
		const struct call *call = &patient->call[i];

		if (!call->is_ours)
			continue;
		if (call->is_after_users && !is_local) {
			diagnose(patient->diagnosis, SYMPTOM_NOTE, "postfix",
				 "Postfix: %.*s calls weighd, too, but after "
				 "permit_sasl_authenticated: own users are not weighed",
				 SPAN_ARG(service->name));
			return;
		}
		diagnose(patient->diagnosis, SYMPTOM_WARN, "postfix",
			 "Postfix: %.*s calls weighd, too%s", SPAN_ARG(service->name),
			 is_local ? ": mail that comes back from a filter is weighed again"
				  : ": own users, whose addresses are on lists, are weighed");
		diagnosis_fix(patient->diagnosis, "postconf -P '%.*s/%.*s/%s=%s'",
			      SPAN_ARG(service->name), SPAN_ARG(service->type),
			      stage_parameter(call->stage),
			      is_local ? "permit_mynetworks,reject"
				       : "permit_sasl_authenticated,reject");
		return;
	}
	if (!is_local)
		diagnose(patient->diagnosis, SYMPTOM_OK, "postfix",
			 "Postfix: own users: %.*s does not call weighd", SPAN_ARG(service->name));
}

/* spawn(8) ends its commands after command_time_limit, in the middle of a connection. */
static void judge_spawn(struct patient *patient)
{
	const struct postconf_service *service = patient->service;
	TEXT(name, 256);
	int64_t limit_ms, ttl_ms;

	text_add(&name, service->name);
	text_add(&name, SPAN("_time_limit"));
	if (postconf_has(patient->postconf, NULL, text_span(&name)))
		limit_ms =
			postconf_time_ms(postconf_get(patient->postconf, NULL, text_span(&name)));
	else
		limit_ms = postconf_time_ms(
			postconf_get(patient->postconf, NULL, SPAN("command_time_limit")));
	ttl_ms = postconf_time_ms(
		postconf_get(patient->postconf, NULL, SPAN("smtpd_policy_service_max_ttl")));
	if (limit_ms > ttl_ms) {
		diagnose(patient->diagnosis, SYMPTOM_OK, "postfix",
			 "Postfix: spawn service %.*s may run %lld s", SPAN_ARG(service->name),
			 (long long)limit_ms / 1000);
		return;
	}
	diagnose(patient->diagnosis, SYMPTOM_WARN, "postfix",
		 "Postfix: spawn service %.*s is ended after %lld s, a connection lives up to "
		 "%lld s",
		 SPAN_ARG(service->name), (long long)limit_ms / 1000, (long long)ttl_ms / 1000);
	diagnosis_fix(patient->diagnosis, "postconf -e '%.*s_time_limit = %llds'",
		      SPAN_ARG(service->name), (long long)ttl_ms / 1000 + 2600);
}

static void judge_service(struct patient *patient, const struct postconf_service *service)
{
	enum service_kind kind = service_kind(patient->postconf, service);

	if (kind == SERVICE_OTHER)
		return;
	patient_take(patient, service);
	switch (kind) {
	case SERVICE_INCOMING: judge_incoming(patient); break;
	case SERVICE_SUBMISSION:
	case SERVICE_REINJECTION: judge_own_users(patient); break;
	case SERVICE_SPAWN: judge_spawn(patient); break;
	case SERVICE_OTHER: break;
	}
}

void judge_postfix(struct diagnosis *diagnosis, const struct postfix_facts *facts)
{
	/* Where master.cf could not be read, it is as it is shipped. */
	static const struct postconf_service shipped = { .name = SPAN_INIT("smtp"),
							 .type = SPAN_INIT("inet"),
							 .command = SPAN_INIT("smtpd") };
	struct patient patient = { .diagnosis = diagnosis,
				   .facts = facts,
				   .postconf = facts->postconf };

	for (size_t i = 0; i < facts->postconf->service_count; i++)
		judge_service(&patient, &facts->postconf->service[i]);
	if (facts->postconf->service_count == 0)
		judge_service(&patient, &shipped);
	judge_not_asked(&patient);
	if (patient.asked_count + patient.unasked_count > 0)
		return;
	diagnose(diagnosis, SYMPTOM_WARN, "postfix", "Postfix: no smtpd takes mail from outside");
	diagnosis_fix(diagnosis, "a line in master.cf: smtp inet n - y - - smtpd");
}
