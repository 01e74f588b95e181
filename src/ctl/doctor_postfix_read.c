/* doctor_postfix_read.c -- what Postfix's services do, and how to write it better. */
#include "ctl/doctor_postfix_priv.h"

#include "base/ensure.h"
#include "base/number.h"
#include "daemon/listening.h"

const char *stage_parameter(enum stage stage)
{
	static const char *const name[STAGE_COUNT] = {
		[STAGE_CLIENT] = "smtpd_client_restrictions",
		[STAGE_HELO] = "smtpd_helo_restrictions",
		[STAGE_SENDER] = "smtpd_sender_restrictions",
		[STAGE_RELAY] = "smtpd_relay_restrictions",
		[STAGE_RECIPIENT] = "smtpd_recipient_restrictions",
		[STAGE_DATA] = "smtpd_data_restrictions",
		[STAGE_END_OF_DATA] = "smtpd_end_of_data_restrictions",
	};

	ENSURE(stage < STAGE_COUNT);
	return name[stage];
}

/* --- services --- */

static bool is_one_of(struct span word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (span_equal_nocase(word, span_cstr(*words)))
			return true;
	return false;
}

/* "smtp", "192.0.2.1:25", "[::1]:10025" */
static void cut_port(struct span name, struct span *host_out, struct span *port_out)
{
	size_t colon = span_rfind(name, ':');
	bool has_host = colon < name.len;

	*host_out = has_host ? span_first(name, colon) : SPAN("");
	*port_out = has_host ? span_from(name, colon + 1) : name;
	if (host_out->len >= 2 && host_out->at[0] == '[')
		*host_out = span_of(host_out->at + 1, host_out->len - 2);
}

static bool is_smtpd(const struct postconf_service *service)
{
	return span_equal(service->command, SPAN("smtpd")) &&
	       (span_equal(service->type, SPAN("inet")) || span_equal(service->type, SPAN("pass")));
}

static bool is_submission(const struct postconf_service *service)
{
	static const char *const ports[] = { "submission", "587",         "smtps",
					     "465",        "submissions", NULL };
	struct span host, port;

	cut_port(service->name, &host, &port);
	return span_equal(service->type, SPAN("inet")) && is_one_of(port, ports);
}

static bool is_on_loopback(const struct postconf_service *service)
{
	struct span host, port;
	struct ip ip;

	cut_port(service->name, &host, &port);
	if (span_equal_nocase(host, SPAN("localhost")))
		return true;
	return ip_parse(host, &ip) == OK &&
	       (ip.family == IP_V4 ? ip.byte[0] == 127 : span_equal(host, SPAN("::1")));
}

static bool has_outer_smtpd(const struct postconf *postconf)
{
	for (size_t i = 0; i < postconf->service_count; i++) {
		const struct postconf_service *service = &postconf->service[i];

		if (is_smtpd(service) && !is_submission(service) && !is_on_loopback(service))
			return true;
	}
	return false;
}

enum service_kind service_kind(const struct postconf *postconf,
			       const struct postconf_service *service)
{
	if (span_equal(service->command, SPAN("spawn")) &&
	    span_has(service->arguments, SPAN("weighd")))
		return SERVICE_SPAWN;
	if (!is_smtpd(service))
		return SERVICE_OTHER;
	if (is_submission(service))
		return SERVICE_SUBMISSION;
	if (is_on_loopback(service) && has_outer_smtpd(postconf))
		return SERVICE_REINJECTION;
	return SERVICE_INCOMING;
}

/* "-" means no chroot since compatibility level 1. */
static bool service_is_chrooted(const struct postconf *postconf,
				const struct postconf_service *service)
{
	struct span level = postconf_get(postconf, NULL, SPAN("compatibility_level"));

	if (!span_equal(service->chroot, SPAN("-")))
		return span_equal(service->chroot, SPAN("y"));
	return level.len == 0 || span_equal(level, SPAN("0"));
}

/* --- whom a call asks --- */

struct span call_attribute(const struct call *call, struct span name)
{
	struct span rest = postconf_inside(call->word), word;
	struct postconf_parameter attribute;

	if (call->word.len == 0 || call->word.at[0] != '{')
		return SPAN("");
	while (postconf_word(&rest, &word)) {
		struct span inside = postconf_inside(word);

		if (postconf_split(inside, &attribute) && span_equal(attribute.name, name))
			return attribute.value;
	}
	return SPAN("");
}

void call_path(const struct patient *patient, const struct call *call, struct text *path)
{
	struct span name = span_from(call->server, span_find(call->server, ':') + 1);
	bool is_absolute = span_starts(name, SPAN("/"));

	if (!is_absolute || patient->is_chrooted) {
		text_add(path, postconf_get(patient->postconf, NULL, SPAN("queue_directory")));
		if (!is_absolute)
			text_add_char(path, '/');
	}
	text_add(path, name);
}

static bool is_any(struct ip ip)
{
	for (size_t i = 0; i < sizeof(ip.byte); i++)
		if (ip.byte[i] != 0)
			return false;
	return true;
}

static bool is_at(const struct listener *listener, struct span host, int64_t port)
{
	struct ip ip;

	if (listener->is_unix || listener->port != port)
		return false;
	if (is_any(listener->address))
		return true;
	if (span_equal_nocase(host, SPAN("localhost")))
		return listener->address.family == IP_V6 || listener->address.byte[0] == 127;
	return ip_parse(host, &ip) == OK && ip_equal(ip, listener->address);
}

static bool is_path_of(const struct patient *patient, const struct call *call,
		       const struct listener *listener)
{
	struct span name = span_from(call->server, span_find(call->server, ':') + 1);
	TEXT(inside, CONFIG_PATH_MAX * 2);

	if (!listener->is_unix)
		return false;
	text_add(&inside, postconf_get(patient->postconf, NULL, SPAN("queue_directory")));
	if (!span_starts(name, SPAN("/")))
		text_add_char(&inside, '/');
	text_add(&inside, name);
	/* The second is a call that a chroot may spoil: it is meant for us. */
	return span_equal(text_span(&inside), listener->path) || span_equal(name, listener->path);
}

/* private/NAME or public/NAME of a spawn service that runs us */
static bool is_spawned(const struct patient *patient, const struct call *call)
{
	struct span path = span_from(call->server, span_find(call->server, ':') + 1);

	for (size_t i = 0; i < patient->postconf->service_count; i++) {
		const struct postconf_service *service = &patient->postconf->service[i];

		if (service_kind(patient->postconf, service) == SERVICE_SPAWN &&
		    span_ends(path, service->name) &&
		    (span_equal(span_first(path, path.len - service->name.len), SPAN("private/")) ||
		     span_equal(span_first(path, path.len - service->name.len), SPAN("public/"))))
			return true;
	}
	return false;
}

static void find_listener(const struct patient *patient, struct call *call)
{
	const struct config *config = patient->facts->config;
	bool is_inet = span_starts_nocase(call->server, SPAN("inet:"));
	struct span host, port;
	int64_t number = 0;

	cut_port(span_from(call->server, 5), &host, &port);
	if (is_inet && number_parse(port, &number) != OK)
		return;
	if (host.len == 0)
		host = SPAN("localhost");
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct listener *listener = &config->listener[i];

		if (is_inet ? !is_at(listener, host, number) : !is_path_of(patient, call, listener))
			continue;
		call->listener = listener;
		call->is_ours = true;
		return;
	}
	call->is_ours = !is_inet && is_spawned(patient, call);
}

/* --- lists of restrictions --- */

/* One list, from its front to its end. */
struct walk_state {
	struct patient *patient;
	enum stage stage;
	size_t first; /* of its calls */
	bool is_guarded, is_after_users, is_decided;
};

static void take_call(struct walk_state *walk, struct span word)
{
	struct patient *patient = walk->patient;
	struct span rest = postconf_inside(word);
	struct call *call;

	if (patient->call_count == CALLS_MAX)
		return;
	call = &patient->call[patient->call_count++];
	*call = (struct call){ .stage = walk->stage,
			       .word = word,
			       .is_guarded = walk->is_guarded,
			       .is_after_users = walk->is_after_users,
			       .is_unreachable = walk->is_decided };
	if (!postconf_word(&rest, &call->server))
		call->server = SPAN("");
	call->default_action = call_attribute(call, SPAN("default_action"));
	find_listener(patient, call);
}

static void walk_list(struct walk_state *walk, struct span list, unsigned depth);

static void walk_class(struct walk_state *walk, struct span name, unsigned depth)
{
	struct patient *patient = walk->patient;
	struct span classes = postconf_get(patient->postconf, patient->service,
					   SPAN("smtpd_restriction_classes"));
	struct span class;

	while (depth < CLASS_DEPTH_MAX && postconf_word(&classes, &class))
		if (span_equal(class, name)) {
			walk_list(walk, postconf_get(patient->postconf, patient->service, name),
				  depth + 1);
			return;
		}
}

static void guard(struct walk_state *walk)
{
	struct patient *patient = walk->patient;

	walk->is_guarded = true;
	for (size_t i = walk->first; i < patient->call_count; i++)
		if (!patient->call[i].is_guarded)
			patient->call[i].is_guarded_later = true;
}

static void walk_list(struct walk_state *walk, struct span list, unsigned depth)
{
	static const char *const guards[] = { "reject_unauth_destination",
					      "defer_unauth_destination", "check_relay_domains",
					      NULL };
	static const char *const refusals[] = { "reject", "defer", NULL };
	struct span word;

	while (postconf_word(&list, &word)) {
		if (is_one_of(word, guards)) {
			guard(walk);
		} else if (is_one_of(word, refusals)) {
			guard(walk);
			walk->is_decided = true;
		} else if (span_equal_nocase(word, SPAN("permit"))) {
			walk->is_decided = true;
		} else if (span_equal_nocase(word, SPAN("permit_sasl_authenticated"))) {
			walk->is_after_users = true;
		} else if (span_equal_nocase(word, SPAN("check_policy_service"))) {
			if (postconf_word(&list, &word))
				take_call(walk, word);
		} else {
			walk_class(walk, word, depth);
		}
	}
}

void patient_take(struct patient *patient, const struct postconf_service *service)
{
	patient->service = service;
	patient->is_chrooted = service_is_chrooted(patient->postconf, service);
	patient->is_relay_guarded = false;
	patient->call_count = 0;
	for (int i = 0; i < STAGE_COUNT; i++) {
		struct walk_state walk = { .patient = patient,
					   .stage = (enum stage)i,
					   .first = patient->call_count };

		walk_list(&walk,
			  postconf_get(patient->postconf, service,
				       span_cstr(stage_parameter((enum stage)i))),
			  0);
		if (i == STAGE_RELAY)
			patient->is_relay_guarded = walk.is_guarded;
	}
}

/* --- how to write it better --- */

static void add_call(const struct patient *patient, const struct call *call, int64_t timeout_s,
		     struct text *text)
{
	const struct config *config = patient->facts->config;
	struct span rest, word;
	struct postconf_parameter attribute;

	text_add(text, SPAN("check_policy_service { "));
	if (call != NULL) {
		text_add(text, call->server);
	} else if (config->listener_count > 0) {
		text_add_listener(text, &config->listener[0]);
	} else {
		text_add(text, SPAN("inet:127.0.0.1:12525"));
	}
	rest = call != NULL && span_starts(call->word, SPAN("{")) ? postconf_inside(call->word)
								  : SPAN("");
	while (postconf_word(&rest, &word)) {
		if (!postconf_split(postconf_inside(word), &attribute) ||
		    span_equal(attribute.name, SPAN("default_action")) ||
		    (timeout_s > 0 && span_equal(attribute.name, SPAN("timeout"))))
			continue;
		text_add(text, SPAN(", "));
		text_add(text, word);
	}
	if (timeout_s > 0)
		text_addf(text, ", timeout=%llds", (long long)timeout_s);
	text_add(text, SPAN(", default_action=DUNNO }"));
}

/* A list under construction. */
struct rewriting {
	const struct patient *patient;
	const struct call *call; /* NULL: a new one */
	int64_t timeout_s;
	struct text *list;
	bool is_placed;
};

static bool is_rightly_placed(const struct patient *patient, const struct call *call)
{
	if (call->is_unreachable || call->is_guarded_later)
		return false;
	return call->is_guarded || call->stage > STAGE_RECIPIENT ||
	       (call->stage == STAGE_RECIPIENT && patient->is_relay_guarded);
}

static void place(struct rewriting *rewriting)
{
	if (rewriting->list->len > 0)
		text_add(rewriting->list, SPAN(", "));
	add_call(rewriting->patient, rewriting->call, rewriting->timeout_s, rewriting->list);
	rewriting->is_placed = true;
}

/* Is word followed by an argument?  check_client_access hash:/path, reject_rbl_client zone */
static bool takes_argument(struct span word)
{
	static const char *const parts[] = { "_rbl_", "_rhsbl_", "_dnswl_", "_rhswl_" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (span_has(word, span_cstr(parts[i])))
			return true;
	return span_starts(word, SPAN("check_"));
}

static bool is_the_call(const struct rewriting *rewriting, struct span word, struct span rest)
{
	struct span next;

	return rewriting->call != NULL && span_equal_nocase(word, SPAN("check_policy_service")) &&
	       postconf_word(&rest, &next) && span_equal(next, rewriting->call->word);
}

/* The list with the call where it was, if it was right there; else behind the first guard. */
static void rewrite(struct rewriting *rewriting, struct span rest)
{
	static const char *const guards[] = { "reject_unauth_destination",
					      "defer_unauth_destination", NULL };
	static const char *const ends[] = { "reject", "defer", "permit", NULL };
	const struct call *call = rewriting->call;
	bool stays = call != NULL && is_rightly_placed(rewriting->patient, call);
	struct span word, argument;

	while (postconf_word(&rest, &word)) {
		if (is_the_call(rewriting, word, rest) && postconf_word(&rest, &argument)) {
			if (stays)
				place(rewriting);
			continue;
		}
		if (!rewriting->is_placed && is_one_of(word, ends))
			break;
		if (rewriting->list->len > 0)
			text_add(rewriting->list, SPAN(", "));
		text_add(rewriting->list, word);
		if (takes_argument(word) && postconf_word(&rest, &argument)) {
			text_add_char(rewriting->list, ' ');
			text_add(rewriting->list, argument);
		}
		if (!stays && !rewriting->is_placed && is_one_of(word, guards))
			place(rewriting);
	}
	if (rewriting->is_placed)
		return;
	if (rewriting->list->len > 0)
		text_add(rewriting->list, SPAN(", "));
	text_add(rewriting->list, SPAN("reject_unauth_destination"));
	place(rewriting);
}

void postfix_fix_parameter(struct patient *patient, struct span name, struct span value)
{
	const struct postconf_service *service = patient->service;
	TEXT(quoted, SYMPTOM_TEXT_MAX);
	bool is_own = false;

	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] == '\'')
			text_add(&quoted, SPAN("'\\''"));
		else
			text_add_char(&quoted, value.at[i] == '\n' ? ' ' : value.at[i]);
	for (size_t i = 0; i < service->override_count; i++)
		is_own = is_own || span_equal(service->override[i].name, name);
	if (quoted.overrun)
		diagnosis_fix(patient->diagnosis, "correct %.*s by hand: it is too long to show",
			      SPAN_ARG(name));
	else if (is_own)
		diagnosis_fix(patient->diagnosis, "postconf -P '%.*s/%.*s/%.*s=%s'",
			      SPAN_ARG(service->name), SPAN_ARG(service->type), SPAN_ARG(name),
			      text_cstr(&quoted));
	else
		diagnosis_fix(patient->diagnosis, "postconf -e '%.*s = %s'", SPAN_ARG(name),
			      text_cstr(&quoted));
}

static void fix_list(struct patient *patient, const struct call *call, int64_t timeout_s)
{
	enum stage stage = STAGE_RECIPIENT;
	TEXT(list, SYMPTOM_TEXT_MAX);
	struct rewriting rewriting = { patient, call, timeout_s, &list, false };

	if (call != NULL && call->stage >= STAGE_RELAY)
		stage = call->stage;
	rewrite(&rewriting, postconf_get(patient->postconf, patient->service,
					 span_cstr(stage_parameter(stage))));
	if (list.overrun)
		diagnosis_fix(patient->diagnosis, "correct %s by hand: it is too long to show",
			      stage_parameter(stage));
	else
		postfix_fix_parameter(patient, span_cstr(stage_parameter(stage)), text_span(&list));
}

void postfix_fix_list(struct patient *patient, const struct call *call)
{
	fix_list(patient, call, 0);
}

void postfix_fix_timeout(struct patient *patient, const struct call *call, int64_t timeout_s)
{
	fix_list(patient, call, timeout_s);
}
